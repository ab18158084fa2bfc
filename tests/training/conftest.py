from __future__ import annotations

import json
import random
import socket
from pathlib import Path
from typing import Protocol

import pytest
from PIL import Image
from pytest_socket import enable_socket

from gill_bench.training import TrainConfig
from gill_bench.training.targets import write_targets
from tests.support.random_weights import build_clip, build_opt, build_sd

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 220), "white": (250, 250, 250)}
PLACES = {"left": (2, 12), "right": (22, 12), "top": (12, 2), "middle": (12, 12)}


class Configure(Protocol):
    def __call__(self, out: Path, **values: object) -> TrainConfig: ...


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny weights in `weights/`, caption-image pairs with targets in `data/`, stories in `stories.jsonl`."""
    root = tmp_path_factory.mktemp("training")
    weights = root / "weights"
    build_opt(weights / "opt-mini")
    build_clip(weights / "clip-mini")
    build_sd(weights / "sd-mini")
    rng = random.Random(0)
    for split, name, count in (("train", "training", 14), ("val", "validation", 6)):
        write_pairs(root / "data", split, name, [caption(rng) for _ in range(count)])
        folder = root / "data" / "cc3m" / name / "clip_embs"
        lines = (root / "data" / f"cc3m_{split}.tsv").read_text().splitlines()[1:]
        targets = {folder / f"{line.split(chr(9))[1]}.npy": line.split("\t")[0] for line in lines}
        write_targets(targets, weights / "sd-mini")
    stories = [
        {
            "segments": ["a red thing is at the left . ", {"image": f"data/cc3m/training/{i}.png"}, " it moves"],
            "target_caption": " a thing at the top",
            "target": f"data/cc3m/training/clip_embs/{i}.png.npy",
        }
        for i in range(3)
    ]
    (root / "stories.jsonl").write_text("".join(json.dumps(story) + "\n" for story in stories))
    return root


def caption(rng: random.Random) -> str:
    more = " and there it is" * rng.randrange(2)
    return f"a {rng.choice(list(COLOURS))} square is at the {rng.choice(list(PLACES))}{more} ."


def write_pairs(data: Path, split: str, name: str, captions: list[str]) -> None:
    folder = data / "cc3m" / name
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["caption\timage"]
    for number, text in enumerate(captions):
        picture = Image.new("RGB", (32, 32), (90, 10 * number, 120))
        colour = next(value for key, value in COLOURS.items() if key in text)
        picture.paste(colour, (*PLACES[next(key for key in PLACES if key in text)], 30, 30))
        picture.save(folder / f"{number}.png")
        lines.append(f"{text}\t{number}.png")
    (data / f"cc3m_{split}.tsv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def configure(world: Path) -> Configure:
    """A configuration for the tiny weights."""

    def make(out: Path, **values: object) -> TrainConfig:
        defaults: dict[str, object] = {
            "data": world / "data",
            "llm": world / "weights" / "opt-mini",
            "visual_encoder": world / "weights" / "clip-mini",
            "out": out,
            "ret_emb_dim": 16,
            "mapper_width": 16,
            "mapper_layers": 1,
            "n_visual_tokens": 2,
            "max_len": 24,
            "batch_size": 4,
            "steps": 3,
            "steps_per_epoch": 100,
            "warmup_steps": 2,
            "workers": 0,
            "cache": True,
            "validate_first": False,
            "log_every": 1,
            "device": "cpu",
        }
        return TrainConfig.model_validate({**defaults, **values})

    return make


def free_port() -> int:
    enable_socket()
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])
