"""A second GILL to compare with, as plain as possible: one prompt at a time, no padding, mask, cache or shared code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor, nn
from torch.testing import assert_close
from transformers import CLIPModel, GPT2Tokenizer, OPTForCausalLM

from gill_bench.prompt import Prompt

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def close(actual: object, expected: object) -> None:
    assert_close(actual, expected, rtol=1e-4, atol=1e-5)


class Mapper(nn.Module):
    """The mapper as the authors build it, from PyTorch's transformer class with its defaults."""

    def __init__(self, e: int, hidden: int, width: int, outputs: int) -> None:
        super().__init__()
        self.fc = nn.Linear(e, hidden)
        self.tfm = nn.Transformer(
            batch_first=True,
            norm_first=True,
            d_model=hidden,
            num_encoder_layers=4,
            num_decoder_layers=4,
            dim_feedforward=hidden * 4,
            dropout=0.0,
            nhead=4,
        )
        self.model = nn.Linear(hidden, width)
        self.query_embs = nn.Parameter(torch.randn(1, outputs, hidden))

    def forward(self, states: Tensor, embeddings: Tensor) -> Tensor:
        source = self.fc(states + embeddings)
        output: Tensor = self.model(self.tfm(source, self.query_embs.repeat(len(states), 1, 1)))
        return output


class Reference:
    """Loads the small checkpoints by hand. Pictures are squashed to `side`, or, with `crop`, resized and cropped."""

    def __init__(self, folder: Path, side: int = 32, crop: bool = False) -> None:
        self.side, self.crop = side, crop
        self.arguments = json.loads((folder / "gill-mini" / "model_args.json").read_text())
        file = torch.load(folder / "gill-mini" / "pretrained_ckpt.pth.tar", weights_only=True)
        self.state: dict[str, Tensor] = {key.removeprefix("model."): value for key, value in file["state_dict"].items()}
        self.r, self.k = self.arguments["num_tokens"], self.arguments["n_visual_tokens"]
        tokenizer: Any = GPT2Tokenizer.from_pretrained(folder / "opt-mini")
        tokenizer.add_special_tokens({"cls_token": "<|image|>"})
        for number in range(self.r):
            tokenizer.add_tokens(f"[IMG{number}]")
        self.tokenizer = tokenizer
        self.img = list(range(len(tokenizer) - self.r, len(tokenizer)))
        self.lm: Any = cast(Any, OPTForCausalLM).from_pretrained(folder / "opt-mini", dtype=torch.float32)
        self.lm.resize_token_embeddings(len(tokenizer))
        self.table = self.lm.get_input_embeddings().weight
        self.table.data[-self.r :] = self.state["input_embeddings.weight"]
        clip: Any = CLIPModel.from_pretrained(folder / "clip-mini", dtype=torch.float32)
        self.vision = clip.vision_model
        prefix = "gen_text_hidden_fcs.0."
        head = {key.removeprefix(prefix): value for key, value in self.state.items() if key.startswith(prefix)}
        self.mapper = Mapper(
            self.table.shape[1],
            head["fc.weight"].shape[0],
            self.arguments["gen_emb_dim"],
            self.arguments["num_clip_tokens"],
        ).eval()
        self.mapper.load_state_dict(head)

    def pixels(self, image: Image) -> Tensor:
        if self.crop:
            scale = self.side / min(image.size)
            image = image.resize((int(image.width * scale), int(image.height * scale)), 3)
            left, top = (image.width - self.side) // 2, (image.height - self.side) // 2
            image = image.crop((left, top, left + self.side, top + self.side))
        else:
            image = image.resize((self.side, self.side))
        array = np.asarray(image.convert("RGB")).astype(np.float32) / 255
        normalised = (array - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
        return torch.from_numpy(normalised).permute(2, 0, 1)[None]

    def feature(self, image: Image) -> Tensor:
        pooled: Tensor = self.vision(pixel_values=self.pixels(image)).pooler_output
        return pooled

    def assemble(self, prompt: Prompt) -> tuple[Tensor, list[int]]:
        embeddings: list[Tensor] = []
        labels: list[int] = []
        first = True
        for segment in prompt.segments:
            if isinstance(segment, str):
                ids = [2] * first + self.tokenizer(segment, add_special_tokens=False).input_ids
                first = False
                labels += ids
                embeddings.append(self.table[ids])
            else:
                visual = self.feature(segment) @ self.state["visual_embeddings.weight"].T
                embeddings.append((visual + self.state["visual_embeddings.bias"]).view(self.k, -1))
                labels += [-100] * self.k
        return torch.cat(embeddings)[None], labels

    def hidden(self, embeddings: Tensor) -> Tensor:
        states: Tensor = self.lm(inputs_embeds=embeddings, output_hidden_states=True).hidden_states[-1]
        return states

    @torch.no_grad()
    def image_states(self, prompt: Prompt) -> Tensor:
        embeddings, _ = self.assemble(prompt)
        return self.hidden(torch.cat([embeddings, self.table[self.img][None]], dim=1))[0, -self.r :]

    @torch.no_grad()
    def conditioning(self, prompt: Prompt) -> Tensor:
        output: Tensor = self.mapper(self.image_states(prompt)[None], self.table[self.img][None])
        return output[0]

    @torch.no_grad()
    def query(self, prompt: Prompt) -> Tensor:
        weight, bias = (self.state[f"ret_text_hidden_fcs.0.model.{name}"] for name in ("weight", "bias"))
        vector: Tensor = self.image_states(prompt)[0] @ weight.T + bias
        unit: Tensor = vector / vector.norm()
        return unit

    @torch.no_grad()
    def candidate(self, image: Image) -> Tensor:
        vector: Tensor = self.feature(image)[0] @ self.state["visual_fc.weight"].T + self.state["visual_fc.bias"]
        unit: Tensor = vector / vector.norm()
        return unit

    @torch.no_grad()
    def log_likelihood(self, prompt: Prompt) -> float:
        embeddings, labels = self.assemble(prompt)
        return -float(self.lm(inputs_embeds=embeddings, labels=torch.tensor([labels])).loss)

    @torch.no_grad()
    def score(self, prompt: Prompt, continuation: str) -> float:
        embeddings, _ = self.assemble(prompt)
        total = 0.0
        for token in self.tokenizer(continuation, add_special_tokens=False).input_ids:
            logits = self.lm(inputs_embeds=embeddings).logits[0, -1]
            total += float(logits.log_softmax(-1)[token])
            embeddings = torch.cat([embeddings, self.table[[token]][None]], dim=1)
        return total

    @torch.no_grad()
    def unshifted_score(self, prompt: Prompt, continuation: str) -> float:
        """FROMAGe's answer ranking: minus the summed cross-entropy of logits and labels at the same position."""
        embeddings, _ = self.assemble(prompt)
        ids = torch.tensor([2, *self.tokenizer(continuation, add_special_tokens=False).input_ids])
        logits = self.lm(inputs_embeds=torch.cat([embeddings, self.table[ids][None]], dim=1)).logits[0]
        return -float(torch.nn.functional.cross_entropy(logits[-len(ids) :], ids, reduction="sum"))

    @torch.no_grad()
    def greedy(self, prompt: Prompt, steps: int) -> list[int]:
        embeddings, _ = self.assemble(prompt)
        ids: list[int] = []
        for _ in range(steps):
            logits = self.lm(inputs_embeds=embeddings).logits[0, -1]
            logits[self.img] = -torch.inf
            ids.append(int(logits.argmax()))
            embeddings = torch.cat([embeddings, self.table[ids[-1:]][None]], dim=1)
        return ids

    @torch.no_grad()
    def generate(
        self, prompt: Prompt, num_words: int, min_word_tokens: int = 0, ret: float = 1.0, gen: float = 1.0
    ) -> tuple[list[int], Tensor]:
        """The authors' loop: everything is run again in every iteration (protocol 1.12)."""
        embeddings, _ = self.assemble(prompt)
        start = embeddings.shape[1]
        ids: list[int] = []
        states = embeddings
        for iteration in range(num_words):
            states = self.hidden(embeddings)
            logits = self.lm.lm_head(states)[0, -1]
            logits[self.img[1:]] = -torch.inf
            if iteration < min_word_tokens:
                logits[self.img] = -torch.inf
            else:
                if ret > 1:
                    logits[self.img[0]] = logits[self.img[0]].abs() * ret
                if gen > 1:
                    logits[self.img[0]] = logits[self.img[0]].abs() * gen
            token = int(logits.argmax())
            new = self.img if token == self.img[0] else [token]
            ids += new
            embeddings = torch.cat([embeddings, self.table[new][None]], dim=1)
        return ids, states[0, start:]
