"""Any pipeline of diffusers with a `prompt`: the adapter `diffusers`.

No list of class names decides what is taken. The arguments of a call are chosen from its signature, what nobody sets
stays the pipeline's own default, and rows show the values. `pictures` says how pictures of a prompt are given, and
`reading` how a prompt that was cut is noticed. The adapter `stable-diffusion` has the paper's protocol instead.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gill_bench.errors import InputError
from gill_bench.interfaces import ImageGenerator
from gill_bench.models.any_pipeline.files import check_variant, files_dtype, text_limits
from gill_bench.models.any_pipeline.settings import Settings
from gill_bench.models.described import Described
from gill_bench.models.diffusers.folder import check_parts

if TYPE_CHECKING:
    from gill_bench.models.any_pipeline.pictures import PictureReader
    from gill_bench.models.any_pipeline.pipeline_class import PipelineClass

__all__ = ["ORIGINAL_PICTURES", "Settings", "check", "describe", "load"]

ORIGINAL_PICTURES = True
_OPTIONAL = {"lora", "ip_adapter"}
_REWRITES = re.compile(r"rewrite|upsampling$|enhance|^use_pe$")
_SWITCHES = {"clean_caption": False, "use_resolution_binning": False}
"""Arguments with which some pipelines would read prompts differently where two more packages happen to be installed, or
paint another size and scale it."""


def check(weights: Mapping[str, Path], settings: Settings) -> None:
    """Check folders and settings before anything is loaded.

    The component is `pipeline`, besides which a card may have `lora` and `ip_adapter`. A setting that the pipeline
    cannot take, or would ignore, is refused.

    Raises:
        InputError: A file is missing, empty or cut off, or the pipeline cannot take a setting or would ignore it.
    """
    if set(weights) - _OPTIONAL != {"pipeline"}:
        raise InputError(f"weights: expected 'pipeline', and perhaps 'lora' and 'ip_adapter'; got {sorted(weights)}")
    from gill_bench.models.any_pipeline.fitting import check_settings_fit
    from gill_bench.models.any_pipeline.loading import check_ip_adapter, check_lora
    from gill_bench.models.any_pipeline.pipeline_class import pipeline_class

    pipeline = pipeline_class(weights["pipeline"])
    check_variant(pipeline.path, settings.variant)
    check_parts(pipeline.path, pipeline.index, variant=settings.variant)
    _reader(pipeline, weights, settings)
    if "lora" in weights:
        check_lora(pipeline.kind, weights["lora"])
    if "ip_adapter" in weights:
        check_ip_adapter(pipeline, weights["ip_adapter"])
    check_settings_fit(pipeline, settings)


def describe(weights: Mapping[str, Path], settings: Settings) -> Described:
    """Complete the settings with the pipeline's own defaults, and say which prompts it can take; see `check`."""
    from gill_bench.models.any_pipeline.pipeline_class import pipeline_class

    pipeline = pipeline_class(weights["pipeline"])
    reader = _reader(pipeline, weights, settings)
    values = _values(pipeline, settings)
    completed = {name: value for name, value in settings.model_dump().items() if value is not None} | values
    facts = {"class": pipeline.name, "reads": text_limits(pipeline.path, {**pipeline.defaults, **values})}
    if settings.dtype == "auto":
        facts["files"] = files_dtype(pipeline.path, settings.variant)
    if reader.needs_picture:
        facts["needs"] = "picture"
    reason_text = f"{pipeline.name} cannot be called without a picture" if reader.needs_picture else ""
    reason_image = "" if reader.argument else f"{pipeline.name} is given no pictures (images = 'none')"
    return Described(
        settings={**completed, "images": reader.style},
        facts={name: value for name, value in facts.items() if value},
        cannot={"text": reason_text, "image": reason_image},
        notes={"image": reader.reduced},
    )


def load(weights: Mapping[str, Path], settings: Settings, device: str) -> ImageGenerator:
    """Load the pipeline, and try out that it takes its arguments; one that it refuses or ignores is an `InputError`."""
    from PIL import Image

    from gill_bench.models.any_pipeline.generator import PipelineGenerator
    from gill_bench.models.any_pipeline.loading import load_with_settings
    from gill_bench.models.any_pipeline.pipeline_class import pipeline_class
    from gill_bench.prompt import Prompt

    check(weights, settings)
    pipeline = pipeline_class(weights["pipeline"])
    reader = _reader(pipeline, weights, settings)
    values = _values(pipeline, settings)
    loaded = load_with_settings(weights, settings, device)
    generator = PipelineGenerator(loaded, reader, values | _fixed(pipeline, values))
    pictures = [Image.new("RGB", (256, 256), "grey")] if reader.argument else []
    hint = "" if reader.needs_picture or not pictures else "; images = 'none' gives it text alone"
    generator.try_out(Prompt(("a picture", *pictures)), hint)
    return generator


def _reader(pipeline: PipelineClass, weights: Mapping[str, Path], settings: Settings) -> PictureReader:
    from gill_bench.models.any_pipeline.pictures import picture_reader

    return picture_reader(pipeline, settings.images, ip_adapter="ip_adapter" in weights)


def _values(pipeline: PipelineClass, settings: Settings) -> dict[str, Any]:
    """The settings that are arguments of the call, with the pipeline's own defaults, and the size of pictures."""
    from gill_bench.models.any_pipeline.fitting import resolved_arguments
    from gill_bench.models.any_pipeline.sizes import default_size

    given = {name: side for name in ("height", "width") if (side := getattr(settings, name)) is not None}
    return resolved_arguments(pipeline, settings) | default_size(pipeline) | given


def _fixed(pipeline: PipelineClass, values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that nobody can set: no rewriting of prompts, and pictures of exactly the size that rows show."""
    fixed: dict[str, Any] = {name: value for name, value in _SWITCHES.items() if name in pipeline.defaults}
    fixed |= {name: False for name, default in pipeline.defaults.items() if _REWRITES.search(name) and default is True}
    if "max_area" in pipeline.defaults and {"height", "width"} <= set(values):
        fixed["max_area"] = values["height"] * values["width"]
    if "output_type" in pipeline.defaults:
        # Arrays show numbers that are not finite; as pictures, these would be black.
        fixed["output_type"] = "np" if "postprocess(" in inspect.getsource(pipeline.kind) else "pil"
    return fixed
