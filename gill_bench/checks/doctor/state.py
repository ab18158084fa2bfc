"""The state of this process that a model must leave as it is, since it would affect other models and examples."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

WHILE_LOADING = ("default dtype", "gradients", "threads", "working directory")
"""The parts that loading must not change; it may add warning filters and draw random numbers, as libraries do."""


@dataclass(frozen=True)
class ProcessState:
    """A snapshot of the state. Findings name its parts by the field names, with spaces."""

    torch_generator: bytes
    numpy_generator: Any
    python_generator: Any
    default_dtype: torch.dtype
    gradients: bool
    threads: int
    working_directory: Path
    environment: dict[str, str]
    warning_filters: list[Any]

    @classmethod
    def now(cls) -> ProcessState:
        """Take a snapshot now."""
        kind, keys, *rest = np.random.get_state(legacy=True)
        return cls(
            bytes(torch.get_rng_state().numpy()),
            (kind, bytes(np.asarray(keys)), *rest),
            random.getstate(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.get_num_threads(),
            Path.cwd(),
            dict(os.environ),
            list(warnings.filters),
        )

    def changes(self, later: ProcessState, only: Collection[str] = ()) -> list[str]:
        """The names of the parts that differ in a later snapshot; with `only`, of the named parts alone."""
        names = [field.name for field in fields(self) if getattr(self, field.name) != getattr(later, field.name)]
        words = [name.replace("_", " ") for name in names]
        return [word for word in words if not only or word in only]

    def restore(self) -> None:
        """Put every part back, so that later checks do not find the same fault again."""
        torch.set_rng_state(torch.frombuffer(bytearray(self.torch_generator), dtype=torch.uint8))
        kind, keys, *rest = self.numpy_generator
        np.random.set_state((kind, np.frombuffer(keys, dtype=np.uint32), *rest))
        random.setstate(self.python_generator)
        torch.set_default_dtype(self.default_dtype)
        torch.set_grad_enabled(self.gradients)
        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        os.chdir(self.working_directory)
        if dict(os.environ) != self.environment:
            os.environ.clear()
            os.environ.update(self.environment)
        warnings.filters[:] = self.warning_filters  # type: ignore[index]
