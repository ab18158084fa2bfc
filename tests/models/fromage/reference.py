"""A second FROMAGe to compare with, written plainly: one prompt at a time, no padding, mask, cache or shared code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor
from torch.nn.functional import cross_entropy, linear
from transformers import CLIPVisionModel, GPT2Tokenizer, OPTForCausalLM

from gill_bench.prompt import Prompt

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


class Reference:
    """Loads a small checkpoint by hand. Pictures are squashed to 32 x 32."""

    def __init__(self, folder: Path, name: str, always_add_bos: bool = False) -> None:
        self.always_add_bos = always_add_bos
        self.k = int(json.loads((folder / name / "model_args.json").read_text())["n_visual_tokens"])
        self.state: dict[str, Tensor] = torch.load(folder / name / "pretrained_ckpt.pth.tar")["state_dict"]
        tokenizer: Any = GPT2Tokenizer.from_pretrained(folder / "opt-mini")
        tokenizer.pad_token = tokenizer.eos_token
        tokenizer.add_special_tokens({"cls_token": "<|image|>"})
        tokenizer.add_tokens("[RET]")
        self.tokenizer = tokenizer
        self.ret = len(tokenizer) - 1
        self.lm: Any = cast(Any, OPTForCausalLM).from_pretrained(folder / "opt-mini", dtype=torch.float32)
        self.lm.resize_token_embeddings(len(tokenizer))
        self.table = self.lm.get_input_embeddings().weight
        self.table.data[self.ret] = self.state["ret_input_embeddings.weight"].reshape(-1)
        self.vision: Any = CLIPVisionModel.from_pretrained(folder / "clip-mini", dtype=torch.float32)

    def project(self, key: str, values: Tensor) -> Tensor:
        return linear(values, self.state[f"model.{key}.weight"], self.state[f"model.{key}.bias"])

    def feature(self, image: Image) -> Tensor:
        array = np.asarray(image.resize((32, 32)).convert("RGB")).astype(np.float32) / 255
        pixels = (array - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
        pooled: Tensor = self.vision(pixel_values=torch.from_numpy(pixels).permute(2, 0, 1)[None]).pooler_output
        return pooled

    def ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False).input_ids
        return ids

    def assemble(self, prompt: Prompt, always_add_bos: bool | None = None) -> tuple[Tensor, list[int]]:
        always = self.always_add_bos if always_add_bos is None else always_add_bos
        embeddings: list[Tensor] = []
        labels: list[int] = []
        bos = True
        for segment in prompt.segments:
            if isinstance(segment, str):
                ids = [2] * bos + self.ids(segment)
                bos = always
                labels += ids
                embeddings.append(self.table[ids])
            else:
                embeddings.append(self.project("visual_embeddings", self.feature(segment)).view(self.k, -1))
                labels += [-100] * self.k
        return torch.cat(embeddings)[None], labels

    @torch.no_grad()
    def query(self, prompt: Prompt) -> Tensor:
        embeddings = torch.cat([self.assemble(prompt)[0], self.table[[self.ret]][None]], dim=1)
        state = self.lm(inputs_embeds=embeddings, output_hidden_states=True).hidden_states[-1][0, -1]
        projected = "model.text_hidden_fcs.0.0.weight" in self.state
        vector: Tensor = self.project("text_hidden_fcs.0.0", state) if projected else state
        unit: Tensor = vector / vector.norm()
        return unit

    @torch.no_grad()
    def candidate(self, image: Image) -> Tensor:
        vector = self.project("visual_fc", self.feature(image))[0]
        unit: Tensor = vector / vector.norm()
        return unit

    @torch.no_grad()
    def log_likelihood(self, prompt: Prompt) -> float:
        embeddings, labels = self.assemble(prompt, always_add_bos=False)
        return -float(self.lm(inputs_embeds=embeddings, labels=torch.tensor([labels])).loss)

    @torch.no_grad()
    def score(self, prompt: Prompt, continuation: str) -> float:
        embeddings, labels = self.assemble(prompt)
        ids = self.ids(continuation)
        logits = self.lm(inputs_embeds=torch.cat([embeddings, self.table[ids][None]], dim=1)).logits[0]
        return float(sum(logits[len(labels) - 1 + n].log_softmax(-1)[token] for n, token in enumerate(ids)))

    @torch.no_grad()
    def unshifted_score(self, prompt: Prompt, continuation: str) -> float:
        """The authors' answer ranking: labels at the positions of their own logits, BOS of the candidate included."""
        embeddings, _ = self.assemble(prompt)
        ids = torch.tensor([2, *self.ids(continuation)])
        logits = self.lm(inputs_embeds=torch.cat([embeddings, self.table[ids][None]], dim=1)).logits[0]
        return -float(cross_entropy(logits[-len(ids) :], ids, reduction="sum"))

    @torch.no_grad()
    def greedy(self, prompt: Prompt, steps: int) -> str:
        ids, _ = self.generate(prompt, steps, min_word_tokens=steps)
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    @torch.no_grad()
    def generate(
        self, prompt: Prompt, num_words: int, min_word_tokens: int = 0, factor: float = 1.0
    ) -> tuple[list[int], Tensor]:
        """The authors' loop: everything is run again in every iteration, the logit of [RET] scaled without abs."""
        embeddings, labels = self.assemble(prompt)
        ids: list[int] = []
        states = embeddings
        for iteration in range(num_words):
            output = self.lm(inputs_embeds=embeddings, output_hidden_states=True)
            states, logits = output.hidden_states[-1], output.logits[0, -1]
            logits[self.ret] = -torch.inf if iteration < min_word_tokens else logits[self.ret] * factor
            ids.append(int(logits.argmax()))
            embeddings = torch.cat([embeddings, self.table[ids[-1:]][None]], dim=1)
        return ids, states[0, len(labels) :]
