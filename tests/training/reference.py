"""The authors' training step as plainly as possible: whole table trained, tails kept, the library's own loss.

Nothing of gill_bench.training is used; protocol 2.3 and 2.4 were written down once more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import CLIPVisionModel, OPTForCausalLM

from gill_bench.models.gill.network import GillHeads

PAD = 1


class Reference:
    """Frozen networks of their own; heads are given, of which the [IMG] embeddings are copied into the table."""

    def __init__(self, weights: Path, heads: GillHeads, image_ids: list[int]) -> None:
        self.heads, self.img = heads, image_ids
        self.lm: Any = cast(Any, OPTForCausalLM).from_pretrained(weights / "opt-mini", dtype=torch.float32).eval()
        self.lm.resize_token_embeddings(image_ids[-1] + 1)
        self.lm.requires_grad_(False)
        self.table: Tensor = self.lm.get_input_embeddings().weight
        self.table.data[image_ids[0] :] = heads.input_embeddings.weight.data
        self.table.requires_grad_(True)
        self.clip: Any = cast(Any, CLIPVisionModel).from_pretrained(weights / "clip-mini", dtype=torch.float32).eval()

    def padded(self, captions: list[list[int]], max_len: int) -> Tensor:
        return torch.tensor([ids + [PAD] * (max_len - len(ids)) for ids in captions])

    def losses(
        self, captions: list[list[int]], max_len: int, pixels: Tensor, targets: Tensor, packed: tuple[bool, ...]
    ) -> dict[str, Tensor]:
        with torch.no_grad():
            features = self.clip(pixels).pooler_output
        ids = self.padded(captions, max_len)
        cap = self.captioning(ids, features, packed[0])
        ret_ce, ret_states = self.image_tokens(ids, packed[1])
        gen_ce, gen_states = self.image_tokens(ids, packed[2])
        texts = self.heads.ret_text_hidden_fcs[0].model(ret_states[:, 0])  # type: ignore[operator]
        texts = texts / texts.norm(dim=-1, keepdim=True)
        images = self.heads.visual_fc(features)
        images = self.heads.logit_scale.exp() * images / images.norm(dim=-1, keepdim=True)
        scores = images @ texts.T
        own = torch.arange(len(scores))
        rows = self.table[self.img].expand(len(gen_states), -1, -1)
        vectors = self.heads.gen_text_hidden_fcs[0](gen_states, rows)
        return {
            "captioning": cap,
            "retrieval_tokens": ret_ce / 2,
            "contrastive": (cross_entropy(scores, own) + cross_entropy(scores.T, own)) / 2,
            "generation_tokens": gen_ce / 2,
            "generation": ((vectors - targets) ** 2).sum(dim=-1).sqrt().mean(),
        }

    def captioning(self, ids: Tensor, features: Tensor, packed: bool) -> Tensor:
        k = self.heads.sizes.n_visual_tokens
        visual = self.heads.visual_embeddings(features).reshape(len(ids), k, -1)
        embeddings = torch.cat([visual, self.table[ids]], dim=1)
        labels = torch.cat([torch.full((len(ids), k), -100), ids], dim=1)
        ends = []
        for row in labels:
            end = next(i for i in range(k, len(row)) if int(row[i]) == PAD or int(row[i]) in self.img)
            row[end:] = -100
            ends.append(end)
        if packed:
            embeddings, labels = self.pack(embeddings, ends, k), self.pack(labels, ends, k)
        return cast(Tensor, self.lm(inputs_embeds=embeddings, labels=labels).loss)

    def image_tokens(self, ids: Tensor, packed: bool) -> tuple[Tensor, Tensor]:
        lengths = [int((row != PAD).sum()) for row in ids]
        r = len(self.img)
        starts = [[length - r] for length in lengths]
        if packed:
            ids = self.pack(ids, lengths, 0)
            starts = [[a - r, a - 1 + b - r] for a, b in zip(lengths[::2], lengths[1::2], strict=True)]
        labels = ids.clone()
        for row in labels:
            row[next(i for i in range(len(row)) if int(row[i]) == PAD or int(row[i]) in self.img[1:]) :] = -100
        output = self.lm(inputs_embeds=self.table[ids], labels=labels, output_hidden_states=True)
        last = output.hidden_states[-1]
        states = [last[row, p : p + r] for row, own in enumerate(starts) for p in own]
        return output.loss, torch.stack(states)

    def pack(self, rows: Tensor, ends: list[int], bos: int) -> Tensor:
        """Pack two sequences: the first up to its end, the second without BOS (at index `bos`), then both tails."""
        packed = []
        for i in range(0, len(rows), 2):
            first, second, a, b = rows[i], rows[i + 1], ends[i], ends[i + 1]
            inner = [second[:bos], second[bos + 1 : b]]
            packed.append(torch.cat([first[:a], *inner, first[a:], second[b:]]))
        assert len(packed[0]) == 2 * rows.shape[1] - 1
        return torch.stack(packed)
