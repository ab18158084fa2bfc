"""Training of GILL-mini, its variants and FROMAGe-mini with `gill_bench.training`, on caption pairs and on stories.

The recipe departs from the paper's: half of each batch are stories (captions, with or without the pictures between
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
    """One GILL that is trained, or one FROMAGe, which is a GILL with one token and without a generation head.

    Attributes:
        name: The name of the stage and of its folder.
        mapper: The kind of the generation head (Table 3).
        num_tokens: The number of [IMG] tokens, r (Table 4).
        visual_tokens: The number of input embeddings of a picture, k.
        steps: The number of optimizer steps.
        retrieval: Whether the retrieval head is trained.
        generation: Whether the generation head is trained. If not, the variant is a FROMAGe, and is shipped without it.
        shipped: Whether the variant is among the embedded weights, whose size is limited.
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
    Variant("gill-mini-r8", shipped=False),  # gill-mini with as few steps as the other variants of r, for comparison
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
    """Train one variant, or resume its training; its folder appears when it is finished."""
    folder = work.folder / variant.name
    if folder.is_dir():
        return True
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    from gill_bench.training import train

    trained = work.folder / ".states" / variant.name
    # Matrix products in bfloat16, and attention without the fused kernel, which is slow in bfloat16, are twice as fast
    # on CPUs. autocast must not cache weights: its cache lives as long as the context, so steps would see old weights.
    with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        result = train(configuration(variant, work, trained))
    temporary = work.folder / f".{variant.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(result.last, temporary)
    temporary.rename(folder)
    return True


def configuration(variant: Variant, work: TrainingWork, out: Path) -> TrainConfig:
    """The trainer's configuration for one variant."""
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
        text_encoder=clip,  # CLIP-mini's text tower is SD-mini's text encoder
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
    """The folder of caption pairs and stories, which is written at the first call."""
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
    """Write `stories.jsonl` with stories of training scenes, and the pictures of these scenes."""
    numbers = {scene: number for number, scene in enumerate(single_scenes("train"))}
    (folder / "scenes").mkdir()
    for scene, number in numbers.items():
        write_picture(scene, folder / "scenes" / f"{number}.png")
    rng = random.Random(f"gill-bench mini packed stories {seed}")  # noqa: S311 (a data set, not a secret)
    lines = []
    for _ in range(count):
        scenes = sequence(rng, "train")
        record = {
            "segments": _segments(rng, scenes, numbers),
            "target_caption": describe(scenes[-1]),
            "target": f"targets/{numbers[scenes[-1]]}.npy",
        }
        lines.append(json.dumps(record))
    write_atomic(folder / "stories.jsonl", ("\n".join(lines) + "\n").encode())


def _segments(rng: random.Random, scenes: tuple[Scene, ...], numbers: dict[Scene, int]) -> list[str | dict[str, str]]:
    """The prompt of one story: all captions or only the last ones, in two of three cases with the pictures between."""
    texts = story(scenes, rng)
    first = 0 if rng.random() < 0.75 else rng.randrange(1, STORY_LENGTH)
    if rng.random() < 0.34:
        return [" ".join(texts[first:])]
    segments: list[str | dict[str, str]] = []
    for text, scene in zip(texts[first:-1], scenes[first:-1], strict=True):
        segments += [text, {"image": f"scenes/{numbers[scene]}.png"}]
    return [*segments, texts[-1]]
