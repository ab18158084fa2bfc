"""Training of CLIP-mini, whose text tower is SD-mini's text encoder, and whose vision tower is GILL-mini's."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from gill_bench.mini.bpe import write_clip_tokenizer
from gill_bench.mini.documents import vocabulary_texts
from gill_bench.mini.grammar import describe
from gill_bench.mini.scene import SIDE
from gill_bench.mini.train.loop import Stage, TrainingWork
from gill_bench.mini.train.pool import caption_ids, pool, several_captions

CONTEXT = 24  # tokens that the text encoder reads: every caption fits, the five captions of a story do not
WIDTH, PROJECTION, MERGES = 128, 64, 2000
PATCH = 8
_MEAN = (0.48145466, 0.4578275, 0.40821073)  # mean and standard deviation of OpenAI's CLIP (protocol 1.3)
_STD = (0.26862954, 0.26130258, 0.27577711)


class ClipStage(Stage):
    """Contrastive training of CLIP-mini (Radford et al. 2021), with the mean of the losses of both directions."""

    name = "clip-mini"
    steps = 3000
    rate = 1e-3
    averaged = 0.995
    batch = 128
    ways = 6

    def __init__(self, work: TrainingWork) -> None:
        self.work = work
        self.pool = pool("train", work.seed)
        self.folder = work.folder / ".states" / "clip-tokenizer"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.vocabulary = write_clip_tokenizer(self.folder, vocabulary_texts(work.seed), MERGES, CONTEXT)
        self.tokenizer = load_tokenizer(self.folder)
        self.ids = several_captions(self.tokenizer, self.pool.scenes, work.seed, self.ways, CONTEXT, full=0.75)

    def build(self) -> nn.Module:
        """A new `CLIPModel`."""
        from transformers import CLIPConfig, CLIPModel

        common = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_attention_heads": 4}
        last = self.vocabulary - 1
        configuration = CLIPConfig(
            text_config={
                **common,
                "num_hidden_layers": 3,
                "projection_dim": PROJECTION,
                "vocab_size": self.vocabulary,
                "max_position_embeddings": CONTEXT,
                "bos_token_id": last - 1,
                "eos_token_id": last,
                "pad_token_id": last,
            },
            vision_config={
                **common,
                "num_hidden_layers": 4,
                "image_size": SIDE,
                "patch_size": PATCH,
                "projection_dim": PROJECTION,
            },
            projection_dim=PROJECTION,
        )
        model = CLIPModel(configuration)
        model.set_attn_implementation("eager")  # fused attention is slow in bfloat16 on CPUs
        network: nn.Module = model
        return network

    def loss(self, model: nn.Module, rng: random.Random) -> dict[str, Tensor]:
        """The contrastive loss of one batch."""
        picked = self.pool.pick(self.batch)
        ways = torch.randint(self.ways, (self.batch,))
        output: Any = model(input_ids=self.ids[picked, ways], pixel_values=normalised(self.pool.pixels[picked]))
        logits = output.logits_per_image.float()
        labels = torch.arange(self.batch)
        return {"contrast": (cross_entropy(logits, labels) + cross_entropy(logits.T, labels)) / 2}

    @torch.no_grad()
    def finish(self, model: nn.Module, folder: Path) -> dict[str, float]:
        """Write model, tokenizer and image processor; measure retrieval of 256 unseen scenes by full descriptions."""
        from transformers import CLIPImageProcessorPil

        model.save_pretrained(folder)  # type: ignore[operator]
        write_clip_tokenizer(folder, vocabulary_texts(self.work.seed), MERGES, CONTEXT)
        size = {"shortest_edge": SIDE}
        CLIPImageProcessorPil(size=size, crop_size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
        unseen = pool("val", self.work.seed)
        picked = torch.randperm(len(unseen.scenes))[:256]
        scenes = [unseen.scenes[index] for index in picked.tolist()]
        ids = caption_ids(self.tokenizer, [describe(scene) for scene in scenes], CONTEXT)
        output: Any = model(input_ids=ids, pixel_values=normalised(unseen.pixels[picked]))
        hits = output.logits_per_image.argmax(1) == torch.arange(len(scenes))
        vectors = normalize(output.image_embeds, dim=-1)
        similarity = (vectors @ vectors.T)[~torch.eye(len(scenes), dtype=torch.bool)]
        return {"retrieval of 256": float(hits.float().mean()), "similarity of others": float(similarity.mean())}


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in a CLIP folder."""
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def normalised(pixels: Tensor) -> Tensor:
    """CLIP's input from pictures of CLIP's size, 0..255: the same values as its image processor gives."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (_MEAN, _STD))
    return (pixels.float() / 255 - mean) / std
