"""The stages by name, in the order in which they are trained."""

from __future__ import annotations

from collections.abc import Callable

from gill_bench.mini.train.clip import ClipStage
from gill_bench.mini.train.decision import NAME, train_decision_model
from gill_bench.mini.train.glide import BaseStage, UpsampleStage
from gill_bench.mini.train.heads import VARIANTS, Variant, train_heads
from gill_bench.mini.train.loop import Stage, TrainingWork, train
from gill_bench.mini.train.lpips import LpipsStage
from gill_bench.mini.train.opt import OptStage, StoryStage
from gill_bench.mini.train.ship import ship_stage
from gill_bench.mini.train.unet import UnetStage
from gill_bench.mini.train.vae import VaeStage

Runner = Callable[[TrainingWork, float], bool]


def _loop(kind: Callable[[TrainingWork], Stage], name: str) -> Runner:
    def run(work: TrainingWork, seconds: float) -> bool:
        # A finished stage is recognised first, because building a stage may take a minute.
        return (work.folder / name).is_dir() or train(kind(work), work, seconds)

    return run


def _heads(variant: Variant) -> Runner:
    return lambda work, _: train_heads(variant, work)


STAGES: dict[str, Runner] = {
    **{kind.name: _loop(kind, kind.name) for kind in (VaeStage, ClipStage, StoryStage, OptStage, UnetStage)},
    **{variant.name: _heads(variant) for variant in VARIANTS},
    **{kind.name: _loop(kind, kind.name) for kind in (BaseStage, UpsampleStage, LpipsStage)},
    NAME: lambda work, _: train_decision_model(work),
    "weights": lambda work, _: ship_stage(work),
}
"""For each stage a function that trains it for at most a given number of seconds and returns whether it is finished. A
stage may need stages before it."""
