"""Whether settings suit a pipeline: none that its call does not take, and none that would change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gill_bench.errors import InputError
from gill_bench.models.any_pipeline.pipeline_class import NO_DEFAULT, PipelineClass
from gill_bench.models.any_pipeline.settings import Settings
from gill_bench.models.any_pipeline.sizes import default_size
from gill_bench.storage.reading import read_json

ARGUMENTS = (
    "num_inference_steps",
    "guidance_scale",
    "true_cfg_scale",
    "negative_prompt",
    "height",
    "width",
    "max_sequence_length",
)
"""The settings that are arguments of a pipeline's call."""
_MULTIPLE = 8
_READS_ALL = ("QwenImageEditPipeline", "QwenImageEditPlusPipeline", "QwenImageLayeredPipeline")
"""Classes that check `max_sequence_length` and then read prompts of any length."""


def check_settings_fit(pipeline: PipelineClass, settings: Settings) -> None:
    """Refuse settings that a pipeline cannot take or would ignore.

    Raises:
        InputError: Names the first such setting, with the reason and what to do instead.
    """
    for problem in _problems(pipeline, settings):
        raise InputError(f"{pipeline.path}: {problem}")


def resolved_arguments(pipeline: PipelineClass, settings: Settings) -> dict[str, Any]:
    """The settings that are arguments, with the pipeline's own defaults for those that nobody set."""
    values: dict[str, Any] = {}
    for name in ARGUMENTS:
        given, default = getattr(settings, name), pipeline.defaults.get(name)
        value = default if given is None and default is not NO_DEFAULT else given
        if isinstance(value, bool | int | float | str):
            values[name] = value
    for name, given in (("guidance_scale", settings.guidance_scale), ("max_sequence_length", None)):
        if given is None and name in values and _does_nothing(name, pipeline):
            del values[name]
    if settings.true_cfg_scale is None and not _has_negative(pipeline, settings):
        values.pop("true_cfg_scale", None)  # without a negative prompt it does nothing
    return values | _own_steps(pipeline)


def _problems(pipeline: PipelineClass, settings: Settings) -> Iterator[str]:
    defaults = pipeline.defaults
    for name in ARGUMENTS:
        value = getattr(settings, name)
        if value is None:
            continue
        if name not in defaults:
            hint = _instead(name, pipeline)
            yield f"{name} = {value!r}: {pipeline.name} takes no {name}; leave it out{hint}"
        elif reason := _does_nothing(name, pipeline):
            yield f"{name} = {value!r} would do nothing: {reason}"
    for name, side in (("height", settings.height), ("width", settings.width)):
        if side is not None and side % _MULTIPLE and side != default_size(pipeline).get(name):
            yield f"{name} = {side}: expected a multiple of {_MULTIPLE}; many pipelines need one of 16 or 32"
    own = _own_steps(pipeline).get("num_inference_steps")
    if own and settings.num_inference_steps not in (None, own):
        yield (
            f"num_inference_steps = {settings.num_inference_steps} would do nothing: the index of these weights fixes"
            f" {own} steps (sample_sigmas); leave it out"
        )
    yield from _guidance_problems(pipeline, settings)
    yield from _scheduler_problems(pipeline, settings)


def _instead(name: str, pipeline: PipelineClass) -> str:
    likely = [other for other in pipeline.defaults if name.partition("_")[0] in other and other in ARGUMENTS]
    if name == "guidance_scale" and "true_cfg_scale" in pipeline.defaults:
        likely = ["true_cfg_scale"]
    return f", or set {' or '.join(likely)}" if likely else ""


def _does_nothing(name: str, pipeline: PipelineClass) -> str:
    """The reason why an argument that the class takes changes nothing with these files; "" if it does something."""
    if name == "max_sequence_length" and pipeline.name in _READS_ALL:
        return f"{pipeline.name} reads prompts of any length; leave it out"
    if name != "guidance_scale":
        return ""
    if pipeline.index.get("is_distilled") and "not self.config.is_distilled" in pipeline.source:
        return (
            f"these weights are distilled (is_distilled), and {pipeline.name} uses no guidance with them; leave it out"
        )
    if pipeline.denoiser.get("guidance_embeds") is False and not pipeline.guides_by_scale:
        other = (
            "; set true_cfg_scale and negative_prompt" if "true_cfg_scale" in pipeline.defaults else "; leave it out"
        )
        return f"the transformer of these weights has no guidance embedding, by which {pipeline.name} uses it{other}"
    return ""


def _own_steps(pipeline: PipelineClass) -> dict[str, int]:
    """The number of steps that the index of some weights fixes, such as those of Qwen-Image 2.1; empty if none does."""
    sigmas = pipeline.index.get("sample_sigmas")
    if isinstance(sigmas, list) and sigmas and "config.sample_sigmas" in pipeline.source:
        return {"num_inference_steps": len(sigmas)}
    return {}


def _has_negative(pipeline: PipelineClass, settings: Settings) -> bool:
    return settings.negative_prompt is not None or isinstance(pipeline.defaults.get("negative_prompt"), str)


def _guidance_problems(pipeline: PipelineClass, settings: Settings) -> Iterator[str]:
    scale, negative = settings.true_cfg_scale, settings.negative_prompt
    if "true_cfg_scale" in pipeline.defaults:
        if scale is not None and scale > 1 and not _has_negative(pipeline, settings):
            yield (
                f"true_cfg_scale = {scale} would do nothing without a negative_prompt; set one, such as"
                ' negative_prompt = " "'
            )
        effective = pipeline.defaults["true_cfg_scale"] if scale is None else scale
        if negative is not None and not effective > 1:
            yield (
                f"negative_prompt = {negative!r} would do nothing with true_cfg_scale = {effective};"
                " set a true_cfg_scale above 1"
            )
        return
    default = pipeline.defaults.get("guidance_scale")
    effective = settings.guidance_scale if settings.guidance_scale is not None else default
    if not negative or not isinstance(effective, int | float):
        return
    if effective <= pipeline.guidance_begins_above:
        least = pipeline.guidance_begins_above
        yield f"negative_prompt would do nothing with guidance_scale = {effective}; set one above {least:g}"
    elif pipeline.denoiser.get("time_cond_proj_dim") is not None:
        yield "negative_prompt would do nothing: these weights are distilled and predict nothing for it; leave it out"


def _scheduler_problems(pipeline: PipelineClass, settings: Settings) -> Iterator[str]:
    file = pipeline.path / "scheduler" / "scheduler_config.json"
    shipped = read_json(file) if file.is_file() else {}
    flow_matching = str(shipped.get("_class_name", "")).startswith("FlowMatch")
    if settings.scheduler != "default" and flow_matching:
        yield (
            f"scheduler = {settings.scheduler!r} cannot replace the {shipped['_class_name']} of these weights;"
            " use scheduler = 'default'"
        )
    trained, steps = shipped.get("num_train_timesteps"), settings.num_inference_steps
    # With flow matching, the number says how times are scaled: OmniGen has 1 and takes 50 steps.
    if isinstance(trained, int) and steps is not None and steps > trained and not flow_matching:
        yield f"num_inference_steps = {steps}, but the scheduler knows {trained} steps"
