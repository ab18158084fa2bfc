"""A pipeline's class as diffusers has it: which arguments its call takes, and what it does with them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gill_bench.errors import InputError, did_you_mean
from gill_bench.models.diffusers.folder import parts, read_index
from gill_bench.storage.reading import read_json

NO_DEFAULT = inspect.Parameter.empty
_DENOISERS = ("transformer", "unet", "prior", "decoder")


@dataclass(frozen=True)
class PipelineClass:
    """The class of the pipeline in a folder, with the configs of its parts.

    Attributes:
        kind: The class.
        path: The folder.
        index: The content of `model_index.json`, without parts that the folder is without.
    """

    kind: Any
    path: Path
    index: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of the class."""
        return str(self.kind.__name__)

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The arguments of the class's call with their defaults, `NO_DEFAULT` for those that must be given."""
        parameters = inspect.signature(self.kind.__call__).parameters
        return {name: parameter.default for name, parameter in parameters.items() if name != "self"}

    @cached_property
    def source(self) -> str:
        """The source of the class."""
        return inspect.getsource(self.kind)

    def config(self, part: str) -> dict[str, Any]:
        """The config of a part; empty if the part has none."""
        file = self.path / part / "config.json"
        return read_json(file) if part in parts(self.index) and file.is_file() else {}

    @property
    def denoiser(self) -> dict[str, Any]:
        """The config of the network that denoises; empty if the pipeline has none of the usual name."""
        return next((config for part in _DENOISERS if (config := self.config(part))), {})

    @property
    def guides_by_scale(self) -> bool:
        """Whether the class multiplies the difference of two predictions by `guidance_scale`.

        If it does not, `guidance_scale` is only told to the network, which may have no embedding for it.
        """
        return re.search(r"(?<!true_cfg_)\bguidance_scale\b\s*\*", self.source) is not None

    @property
    def guidance_begins_above(self) -> float:
        """The `guidance_scale` up to which the class makes no second prediction for the negative prompt."""
        return 0.0 if re.search(r"guidance_scale > 0\b(?!\.)", self.source) else 1.0


def pipeline_class(path: Path) -> PipelineClass:
    """The class that a folder's index names; diffusers is imported for it.

    Raises:
        InputError: diffusers has no such class, or the class takes no text prompt.
    """
    import diffusers

    index = read_index(path)
    name = index["_class_name"]
    kind = getattr(diffusers, name, None) if name.isidentifier() else None
    if not inspect.isclass(kind) or not issubclass(kind, diffusers.DiffusionPipeline):
        known = [other for other in dir(diffusers) if other.endswith("Pipeline")]
        raise InputError(
            f"{path / 'model_index.json'}: diffusers {diffusers.__version__} has no pipeline {name!r};"
            f" {did_you_mean(name, known)}\ncode from the folder is never run; a newer diffusers may have the class"
        )
    described = PipelineClass(kind, path, index)
    if "prompt" not in described.defaults:
        takes = ", ".join(list(described.defaults)[:6])
        raise InputError(f"{path / 'model_index.json'}: {name} takes no prompt (it takes {takes}, ...)")
    return described
