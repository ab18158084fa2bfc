"""The training loop that all stages share; it resumes after an interruption.

A kill at any moment costs at most the steps since the last save. The randomness of a step comes from (seed, stage,
step) alone. On CPUs with bfloat16 instructions, matrix products run in bfloat16 (autocast), which is several times
faster there, and ten times slower elsewhere; weights and optimizer stay float32.
"""

from __future__ import annotations

import io
import json
import math
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from gill_bench.errors import InputError
from gill_bench.progress import say
from gill_bench.storage.files import write_atomic
from gill_bench.training.schedule import seed_of

_SECONDS_BETWEEN_SAVES = 60.0
_STEPS_BETWEEN_LINES = 100
MEASURED = "measured.json"
"""The file in a stage's folder with the measures of its quality, which is not shipped."""


@dataclass(frozen=True, slots=True)
class TrainingWork:
    """The working folder of a training, and its seed.

    Attributes:
        folder: The folder in which each finished stage has a folder, in the shipped layout but in float32; hidden
            folders hold the states of unfinished stages.
        seed: The seed of everything random.
    """

    folder: Path
    seed: int = 0

    def finished(self, name: str) -> Path:
        """The folder that a finished stage has written.

        Raises:
            InputError: The stage is not finished.
        """
        folder = self.folder / name
        if not folder.is_dir():
            raise InputError(f"{folder}: not there yet; train it first: gill-bench mini train {name}")
        return folder


class Stage(ABC):
    """The training of one model.

    Attributes:
        name: The name of the stage, and of the folder that it writes.
        steps: The number of optimizer steps.
        rate: The highest learning rate; the rate rises over 5 % of the steps and falls to 0 in a half cosine.
        averaged: The decay of the moving average of the weights, which is written in the end; 0 = the last weights.
    """

    name: str
    steps: int
    rate: float = 1e-3
    averaged: float = 0.0

    @abstractmethod
    def build(self) -> nn.Module:
        """A new model; torch's global generator, from which initial weights come, is seeded before the call."""

    @abstractmethod
    def loss(self, model: nn.Module, rng: random.Random) -> dict[str, Tensor]:
        """The losses of one batch by name, whose sum is minimised.

        Args:
            model: The model that `build` returned.
            rng: Seeded for the step, like torch's global generator.
        """

    @abstractmethod
    def finish(self, model: nn.Module, folder: Path) -> dict[str, float]:
        """Write the model into a folder; returns measures of its quality on the validation split by name."""


def train(stage: Stage, work: TrainingWork, seconds: float = math.inf) -> bool:
    """Train a stage, or resume its training.

    Args:
        stage: The stage.
        work: The working folder, and the seed.
        seconds: The time after which the state is saved and the training stops.

    Returns:
        Whether the stage is finished. A finished stage is not trained again.
    """
    folder, file = work.folder / stage.name, work.folder / ".states" / f"{stage.name}.pt"
    if folder.is_dir():
        return True
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed_of(work.seed, stage.name, "build"))
    model = stage.build()
    average = {key: value.clone() for key, value in model.state_dict().items()}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=stage.rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    begin = 0
    if file.is_file():
        state = torch.load(file, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average, begin = state["average"], state["step"]
    start = saved = time.monotonic()
    sums: dict[str, float] = {}
    for step in range(begin, stage.steps):
        for group in optimizer.param_groups:
            group["lr"] = stage.rate * rate_at(step, stage.steps)
        seed = seed_of(work.seed, stage.name, step)
        torch.manual_seed(seed)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16_is_fast()):
            losses = stage.loss(model, random.Random(seed))  # noqa: S311 (a data set, not a secret)
        total = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        if stage.averaged:
            _average(average, model, min(stage.averaged, step / (step + 10)))
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        if (step + 1) % _STEPS_BETWEEN_LINES == 0:
            _log(work, stage, step + 1, sums, (time.monotonic() - start) / (step + 1 - begin))
            sums = {}
        now = time.monotonic()
        over = now - start > seconds
        if over or now - saved > _SECONDS_BETWEEN_SAVES:
            _save(file, model, optimizer, average, step + 1)
            saved = now
        if over and step + 1 < stage.steps:
            return False
    if stage.averaged:
        model.load_state_dict(average)
    temporary = folder.with_name(f".{stage.name}.tmp")
    temporary.mkdir(exist_ok=True)
    measured = stage.finish(model.eval(), temporary)
    (temporary / MEASURED).write_text(json.dumps(measured) + "\n", encoding="utf-8")
    temporary.rename(folder)
    _append(work, {"stage": stage.name, "finished": stage.steps, **measured})
    file.unlink(missing_ok=True)
    return True


def rate_at(step: int, steps: int) -> float:
    """The share of the highest learning rate at a step: a linear rise over 5 % of the steps, then a half cosine."""
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def bfloat16_is_fast() -> bool:
    """Whether this machine's CPU has instructions for matrix products in bfloat16."""
    flags = Path("/proc/cpuinfo")
    return flags.is_file() and bool({"avx512_bf16", "amx_bf16"} & set(flags.read_text(encoding="utf-8").split()))


def _average(average: dict[str, Tensor], model: nn.Module, decay: float) -> None:
    state = model.state_dict()
    pairs = [(average[key], value) for key, value in state.items() if value.is_floating_point()]
    get_ema_multi_avg_fn(decay)(*map(list, zip(*pairs, strict=True)), None)  # type: ignore[no-untyped-call]
    for key, value in state.items():
        if not value.is_floating_point():
            average[key].copy_(value)


def _save(
    file: Path, model: nn.Module, optimizer: torch.optim.Optimizer, average: Mapping[str, Tensor], step: int
) -> None:
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "average": average, "step": step}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomic(file, buffer.getvalue())


def _log(work: TrainingWork, stage: Stage, step: int, sums: Mapping[str, float], seconds: float) -> None:
    means = {name: round(value / _STEPS_BETWEEN_LINES, 4) for name, value in sums.items()}
    say(f"{stage.name}: {step}/{stage.steps}, {means}, {seconds:.2f} s a step")
    _append(work, {"stage": stage.name, "step": step, **means, "seconds": round(seconds, 3)})


def _append(work: TrainingWork, record: Mapping[str, object]) -> None:
    with (work.folder / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
