"""The files of a training: the state from which it resumes, its log, and checkpoints in the released layout."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gill_bench.errors import InputError, first_line
from gill_bench.models.gill.checkpoint import write_tensors
from gill_bench.models.gill.network import GillHeads
from gill_bench.models.interleaved.model_args import FILE as ARGUMENTS_FILE
from gill_bench.storage.files import write_atomic
from gill_bench.storage.json import to_json
from gill_bench.training.config import TrainConfig
from gill_bench.weights.tensor_files import LOADING_ERRORS

STATE_FILE, LOG_FILE = "state.pt", "log.jsonl"
LAST, BEST = "last", "best"


@dataclass(slots=True)
class TrainingState:
    """The state from which a training resumes.

    The randomness of a step comes from (seed, step, process) alone, so that no generator's state is stored.

    Attributes:
        identity: Settings and digests that must be the same when the training is resumed.
        step: Number of optimizer steps done.
        best: Highest value of the number by which the best checkpoint is chosen; -1 = none yet.
        history: Results of the validations in order, each with its step.
        heads: Values of the trained network.
        optimizer: State of the optimizer.
    """

    identity: dict[str, Any]
    step: int = 0
    best: float = -1.0
    history: list[dict[str, float]] = field(default_factory=list)
    heads: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)


def load_state(out: Path, identity: dict[str, Any]) -> TrainingState:
    """Load the state in a training's folder; without one, a state at step 0.

    Raises:
        InputError: The state is damaged, or belongs to another training; the message has the setting that differs.
    """
    file = out / STATE_FILE
    if not file.is_file():
        return TrainingState(identity)
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        state = TrainingState(**content)
        stored = state.identity
    except LOADING_ERRORS as error:
        raise InputError(f"{file}: cannot be read: {first_line(error)}; remove it to begin again") from error
    differing = sorted(key for key in stored.keys() | identity.keys() if stored.get(key) != identity.get(key))
    if differing:
        key = differing[0]
        more = f" (and {', '.join(differing[1:])})" if differing[1:] else ""
        raise InputError(
            f"{file}: the training there has {key} = {stored.get(key)!r}, not {identity.get(key)!r}{more};"
            " resume it with its own settings, or choose another --out"
        )
    return state


def save_state(out: Path, state: TrainingState) -> None:
    """Save the state; a save that is interrupted leaves the previous state."""
    buffer = io.BytesIO()
    torch.save({name: getattr(state, name) for name in TrainingState.__slots__}, buffer)
    write_atomic(out / STATE_FILE, buffer.getvalue())


def write_checkpoint(folder: Path, heads: GillHeads, config: TrainConfig, image_ids: list[int]) -> None:
    """Write a checkpoint in the authors' layout (protocol 1.6, 1.7) and as safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = heads.sizes
    arguments = {
        "opt_version": config.llm_name or _name(config.llm, folder),
        "freeze_lm": True,
        "visual_encoder": config.visual_encoder_name or _name(config.visual_encoder, folder),
        "freeze_vm": True,
        "n_visual_tokens": sizes.n_visual_tokens,
        "ret_emb_dim": sizes.ret_emb_dim,
        "gen_emb_dim": sizes.gen_emb_dim,
        "text_emb_layers": [-1],
        "text_fc_mode": sizes.text_fc_mode,
        "ret_text_fc_mode": "linear",
        "num_tokens": sizes.num_tokens,
        "num_clip_tokens": sizes.num_clip_tokens,
        "share_ret_gen": True,
        "retrieval_token_idx": image_ids,
        "gen_token_idx": image_ids,
    }
    write_tensors(folder, heads)
    write_atomic(folder / ARGUMENTS_FILE, (json.dumps(arguments, indent=4) + "\n").encode())


class Log:
    """The log of a training: lines of JSON with losses, learning rates and validations.

    Lines that a killed training wrote after it last saved its state are dropped.

    Args:
        out: Folder of the training.
        step: Step of the state from which the training resumes; -1 = it begins.
    """

    def __init__(self, out: Path, step: int) -> None:
        self._file = out / LOG_FILE
        if self._file.is_file():
            lines = self._file.read_text(encoding="utf-8").splitlines()
            saved = [line for line in lines if _step(line) <= step]
            write_atomic(self._file, "".join(f"{line}\n" for line in saved).encode())

    def write(self, record: Mapping[str, object]) -> None:
        """Append a record, which has a `step`."""
        with self._file.open("a", encoding="utf-8") as file:
            file.write(to_json(dict(record)) + "\n")


def _step(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")  # half a line, which the process was writing when it was killed


def _name(model: Path | str, checkpoint: Path) -> str:
    """The name of a model in `model_args.json`: its folder relative to the checkpoint, or its hub id."""
    return os.path.relpath(model, checkpoint) if Path(model).is_dir() else str(model)
