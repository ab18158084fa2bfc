"""The state of this process that a model must leave as it is: another model, or the next example, would meet it."""

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
"""What loading must leave alone too: it imports libraries and builds networks, which adds filters and draws numbers."""


@dataclass(frozen=True)
class ProcessState:
    """A snapshot. Field names, with spaces, are what findings call them."""

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
        """Take one."""
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
        """What differs in a later snapshot, in words; of all, or only of what is named."""
        names = [field.name for field in fields(self) if getattr(self, field.name) != getattr(later, field.name)]
        words = [name.replace("_", " ") for name in names]
        return [word for word in words if not only or word in only]

    def restore(self) -> None:
        """Put everything back, so that one fault is not found again in everything that comes after it."""
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
