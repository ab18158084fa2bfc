"""The training loop, in one process or in each of several that `accelerate launch` starts."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from gill_bench.errors import GillBenchError
from gill_bench.progress import bar, say
from gill_bench.training.batches import read_ahead
from gill_bench.training.config import TrainConfig
from gill_bench.training.network import PASSES, Pass, TrainingNetwork
from gill_bench.training.schedule import learning_rate, seed_of
from gill_bench.training.setup import Setup, prepare
from gill_bench.training.state import BEST, LAST, Log, load_state, save_state, write_checkpoint
from gill_bench.training.validation import SELECTION, validate


@dataclass(frozen=True, slots=True)
class TrainResult:
    """The result of a finished training.

    Attributes:
        last: Folder of the checkpoint after the last step.
        best: Folder of the checkpoint with the highest text-to-image R@1 on the validation pairs; None without them.
        steps: Number of optimizer steps.
        skipped: Number of examples left out because a file of theirs does not exist.
        history: Results of the validations in order, each with its `step`.
    """

    last: Path
    best: Path | None
    steps: int
    skipped: int
    history: tuple[dict[str, float], ...]


def train(config: TrainConfig) -> TrainResult:
    """Train; if the folder `out` holds the state of this training, resume from it."""
    accelerator = Accelerator(cpu=config.device == "cpu")
    setup = prepare(config, accelerator)
    return _Trainer(config, accelerator, setup).run()


class _Trainer:
    def __init__(self, config: TrainConfig, accelerator: Accelerator, setup: Setup) -> None:
        self.config = config
        self.accelerator = accelerator
        self.setup = setup
        self.network: TrainingNetwork = setup.network
        self.rank = int(accelerator.process_index)
        self.processes = int(accelerator.num_processes)
        self.first = bool(accelerator.is_main_process)
        self.trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.optimizer = _optimizer(config, self.network)
        self.state = load_state(config.out, setup.identity)
        if self.state.step:
            self.network.heads.load_state_dict(self.state.heads)
            self.optimizer.load_state_dict(self.state.optimizer)
        self.wrapped: Any = accelerator.prepare_model(self.network)
        self.sums: dict[str, float] = {}

    def run(self) -> TrainResult:
        """Run all steps that are left."""
        config, state = self.config, self.state
        log = Log(config.out, state.step or -1) if self.first else None
        if state.step == 0 and config.validate_first and not state.history:
            self._validate(log)
        begin, end = state.step, config.total_steps
        if begin:
            self._say(f"resuming at step {begin} of {end}")
        with bar("training", max(0, end - begin), "steps") as advance:
            while state.step < end:
                until = min(end, (state.step // config.steps_per_epoch + 1) * config.steps_per_epoch)
                for batch in read_ahead(
                    self.setup.source, self.setup.plan.items, state.step, until, self.setup.workers
                ):
                    self._step(batch)
                    if state.step % config.log_every == 0:
                        self._log(log)
                    if state.step == until:
                        self._validate(log)
                    if state.step % config.save_every == 0 or state.step == until:
                        self._save()
                    if self.first:
                        advance(1)
        if self.first:
            write_checkpoint(config.out / LAST, self.network.heads, config, self.setup.tokens.image_ids)
        self.accelerator.wait_for_everyone()
        best = config.out / BEST if state.history else None
        return TrainResult(config.out / LAST, best, state.step, self.setup.skipped, tuple(state.history))

    def _step(self, batch: Any) -> None:
        step = self.state.step
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, step)
        losses = self.wrapped(batch, coins(self.config, step, self.rank))
        total = torch.stack(list(losses.values())).sum()
        if not bool(torch.isfinite(total)):
            values = {name: float(value) for name, value in losses.items()}
            raise GillBenchError(f"step {step}: the loss is not finite ({values}); lower lr, or use another precision")
        self.optimizer.zero_grad()
        self.accelerator.backward(total)
        self.accelerator.clip_grad_norm_(self.trained, self.config.grad_clip)
        self.optimizer.step()
        self.network.renormalise()
        self.state.step += 1
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value.detach())

    def _log(self, log: Log | None) -> None:
        means = {name: round(value / self.config.log_every, 5) for name, value in self.sums.items()}
        self.sums = {}
        if log is not None:
            rate = learning_rate(self.config, self.state.step - 1)
            log.write({"step": self.state.step, "lr": rate, **means})
            self._say(f"step {self.state.step}: " + ", ".join(f"{name} {value:.4g}" for name, value in means.items()))

    def _validate(self, log: Log | None) -> None:
        items = self.setup.val[self.rank :: self.processes]
        if not self.setup.val:
            return
        gather = gather_object if self.processes > 1 else list
        measured = validate(
            self.network, self.setup.tokens, self.setup.source, items, self.config.validation_batch, gather
        )
        self.state.history.append({"step": float(self.state.step), **measured})
        better = measured[SELECTION] > self.state.best
        self.state.best = max(self.state.best, measured[SELECTION])
        if log is not None:
            if better:
                folder = self.config.out / BEST
                write_checkpoint(folder, self.network.heads, self.config, self.setup.tokens.image_ids)
            log.write({"step": self.state.step, "validation": measured})
            shown = ("captioning", "generation", "text_to_image_r1", "image_to_text_r1", "bleu_4")
            self._say(
                f"validation at step {self.state.step}: " + ", ".join(f"{name} {measured[name]:.4g}" for name in shown)
            )

    def _save(self) -> None:
        if self.first:
            self.state.heads = self.network.heads.state_dict()
            self.state.optimizer = self.optimizer.state_dict()
            save_state(self.config.out, self.state)
        self.accelerator.wait_for_everyone()

    def _say(self, message: str) -> None:
        if self.first:
            say(message)


def coins(config: TrainConfig, step: int, rank: int) -> dict[Pass, bool]:
    """For each pass of a step, whether it packs its captions: one coin per pass and process (protocol 2.4)."""
    rng = random.Random(seed_of(config.seed, "coins", step, rank))  # noqa: S311 (no secret)
    return {name: rng.random() < config.packing for name in PASSES}


def _optimizer(config: TrainConfig, network: TrainingNetwork) -> torch.optim.AdamW:
    table = network.heads.input_embeddings.weight
    others = [value for value in network.parameters() if value is not table and value.requires_grad]
    groups: list[dict[str, Any]] = [{"params": others}, {"params": [table], "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, eps=1e-8, weight_decay=config.weight_decay)
