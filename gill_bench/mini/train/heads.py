"""GILL-mini, its variants and FROMAGe-mini, by the trainer of `gill_bench.training`, on caption pairs and on stories.

Departures from the paper's recipe: half of each batch are stories (captions, with or without the pictures between
them), whose target is the full description of the last picture; the learning rate falls earlier; sizes are small.
"""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from gill_bench.mini.grammar import STORY_LENGTH, describe, sequence, single_scenes, story
from gill_bench.mini.scene import Scene
from gill_bench.mini.train.loop import TrainingWork
from gill_bench.mini.writers._files import write_picture
from gill_bench.mini.writers.cc3m import write_cc3m
from gill_bench.storage.files import write_atomic
from gill_bench.training.config import Mapper, TrainConfig

STORIES = 12000
BATCH = 64
STORY_SHARE = 0.5
_DATA = "training-data"


@dataclass(frozen=True, slots=True)
class Variant:
    """One GILL, or one FROMAGe, which is a GILL with one token and without a generation head.

    Attributes:
        name: Of the stage and of the folder.
        mapper: Generation head (Table 3).
        num_tokens: [IMG] tokens, r (Table 4).
        visual_tokens: Input embeddings of a picture, k.
        steps: Optimizer steps.
        retrieval: Without it, generation only.
        generation: Without it, a FROMAGe: the generation head keeps its first values, and is not shipped.
        shipped: Whether it is among the embedded weights, which may not grow larger.
    """

    name: str
    mapper: Mapper = "gill_mapper"
    num_tokens: int = 8
    visual_tokens: int = 4
    steps: int = 700
    retrieval: bool = True
    generation: bool = True
    shipped: bool = True


VARIANTS = (
    Variant("gill-mini", steps=1500),
    Variant("gill-mini-r8", shipped=False),  # gill-mini with the variants' budget, for a fair comparison
    Variant("gill-mini-linear", mapper="linear", steps=1500),
    Variant("gill-mini-mlp", mapper="mlp", steps=1500),
    Variant("gill-mini-encoder", mapper="encoder"),
    Variant("gill-mini-r1", num_tokens=1),
    Variant("gill-mini-r2", num_tokens=2),
    Variant("gill-mini-r4", num_tokens=4),
    Variant("gill-mini-generation-only", retrieval=False, shipped=False),
    Variant("fromage-mini", mapper="linear", num_tokens=1, visual_tokens=1, steps=1500, generation=False),
    Variant("fromage-mini-vis4", mapper="linear", num_tokens=1, steps=1500, generation=False),
)


def train_heads(variant: Variant, work: TrainingWork) -> bool:
    """Train one variant; it resumes by itself. Its folder appears when it is finished."""
    folder = work.folder / variant.name
    if folder.is_dir():
        return True
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    from gill_bench.training import train

    trained = work.folder / ".states" / variant.name
    # Twice as fast on CPUs: matrix products in bfloat16, and attention without the fused kernel, which is slow in it.
    # No cache: it lives as long as the context, so that every step would see the first weights.
    with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        result = train(configuration(variant, work, trained))
    temporary = work.folder / f".{variant.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(result.last, temporary)
    temporary.rename(folder)
    return True


def configuration(variant: Variant, work: TrainingWork, out: Path) -> TrainConfig:
    """What the trainer is asked to do."""
    data = training_data(work)
    clip = work.finished("clip-mini")
    epoch = variant.steps // 6
    return TrainConfig(
        data=data,
        llm=work.finished("opt-mini"),
        visual_encoder=clip,
        out=out,
        llm_name="../opt-mini",
        visual_encoder_name="../clip-mini",
        text_encoder=clip,  # its text tower is that of SD-mini
        mapper=variant.mapper,
        num_tokens=variant.num_tokens,
        n_visual_tokens=variant.visual_tokens,
        ret_emb_dim=64,
        mapper_width=128,
        mapper_layers=2,
        max_len=40,
        ret_loss_scale=float(variant.retrieval),
        gen_loss_scale=float(variant.generation),
        epochs=6,
        steps_per_epoch=epoch,
        steps=variant.steps,
        batch_size=BATCH,
        lr=1e-3,
        warmup_steps=min(200, epoch),
        decay_epochs=4,
        precision="mixed",
        device="cpu",
        seed=work.seed,
        workers=0,
        cache=True,
        stories=data / "stories.jsonl",
        story_share=STORY_SHARE,
        validate_first=False,
        validation_limit=64,
        save_every=200,
    )


def training_data(work: TrainingWork) -> Path:
    """The folder of pairs and stories, written once."""
    folder = work.folder / _DATA
    if folder.is_dir():
        return folder
    temporary = work.folder / f".{_DATA}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    write_cc3m(temporary, work.seed, ("train", "val"))
    write_stories(temporary, work.seed, STORIES)
    temporary.rename(folder)
    return folder


def write_stories(folder: Path, seed: int, count: int) -> None:
    """Write `stories.jsonl` and the pictures in it, of training scenes alone.

    Args:
        folder: Exists.
        seed: Of the stories.
        count: How many.
    """
    scenes = single_scenes("train")
    places = {scene: place for place, scene in enumerate(scenes)}
    (folder / "scenes").mkdir()
    for scene, place in places.items():
        write_picture(scene, folder / "scenes" / f"{place}.png")
    rng = random.Random(f"gill-bench mini packed stories {seed}")  # noqa: S311 (a data set, not a secret)
    lines = []
    for _ in range(count):
        told = sequence(rng, "train")
        record = {
            "segments": _segments(rng, told, places),
            "target_caption": describe(told[-1]),
            "target": f"targets/{places[told[-1]]}.npy",
        }
        lines.append(json.dumps(record))
    write_atomic(folder / "stories.jsonl", ("\n".join(lines) + "\n").encode())


def _segments(rng: random.Random, scenes: tuple[Scene, ...], places: dict[Scene, int]) -> list[str | dict[str, str]]:
    """The prompt of one story: all captions or the last of them, two thirds of the time with the pictures between."""
    texts = story(scenes, rng)
    first = 0 if rng.random() < 0.75 else rng.randrange(1, STORY_LENGTH)
    if rng.random() < 0.34:
        return [" ".join(texts[first:])]
    segments: list[str | dict[str, str]] = []
    for text, scene in zip(texts[first:-1], scenes[first:-1], strict=True):
        segments += [text, {"image": f"scenes/{places[scene]}.png"}]
    return [*segments, texts[-1]]
