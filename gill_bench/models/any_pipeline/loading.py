"""Loading a pipeline with what a card adds to it: a LoRA, an IP-Adapter, another sampler, offloading."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from gill_bench.errors import InputError, first_line
from gill_bench.models.any_pipeline.files import REWRITERS, files_dtype, ip_adapter_files, lora_file
from gill_bench.models.any_pipeline.pipeline_class import PipelineClass
from gill_bench.models.any_pipeline.settings import Settings
from gill_bench.models.diffusers.folder import parts
from gill_bench.models.diffusers.pipelines import open_pipeline, set_scheduler
from gill_bench.weights.checkpoints import check_network_files, quiet_loading
from gill_bench.weights.loading import read_network
from gill_bench.weights.tensor_files import LOADING_ERRORS


def load_with_settings(weights: Mapping[str, Path], settings: Settings, device: str) -> Any:
    """Load the pipeline of a card onto a device."""
    path = weights["pipeline"]
    added = {"lora", "ip_adapter"} & set(weights)
    offloads = settings.offload != "none" and torch.device(device).type != "cpu"
    dtype = dtype_on(settings.dtype, files_dtype(path, settings.variant), device)
    pipeline = open_pipeline(
        path,
        dtype=dtype,
        device=device,
        without=REWRITERS,
        variant=settings.variant,
        share=not (added or offloads or settings.variant),
    )
    set_scheduler(pipeline, settings.scheduler)
    if "lora" in weights:
        _add_lora(pipeline, weights["lora"])
    if "ip_adapter" in weights:
        _add_ip_adapter(pipeline, weights["ip_adapter"], dtype)
    if not offloads:
        return pipeline.to(device)
    offload = (
        pipeline.enable_model_cpu_offload if settings.offload == "model" else pipeline.enable_sequential_cpu_offload
    )
    offload(device=device)
    return pipeline


def dtype_on(setting: str, of_files: str, device: str) -> torch.dtype:
    """The precision of networks on a device.

    Args:
        setting: The setting `dtype`.
        of_files: The precision of the files, which "auto" stands for; on a CPU, float32 stands for float16.
        device: A torch device.
    """
    name = of_files if setting == "auto" else setting
    if setting == "auto" and name == "float16" and torch.device(device).type == "cpu":
        name = "float32"
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def check_lora(pipeline: Any, path: Path) -> None:
    """Check that a pipeline's class takes LoRAs, and that the library which applies them is installed.

    Raises:
        InputError: It does not, or the folder has no LoRA, or several.
    """
    if not hasattr(pipeline, "load_lora_weights"):
        raise InputError(f"[weights.lora]: {pipeline.__name__} takes no LoRA")
    lora_file(path)
    if find_spec("peft") is None:
        raise InputError("[weights.lora]: diffusers needs the package peft for it: pip install peft")


def check_ip_adapter(pipeline: PipelineClass, path: Path) -> None:
    """Check that an IP-Adapter has one file of weights, and a network that encodes pictures for it.

    Raises:
        InputError: There is no such file, or several, or no picture encoder.
    """
    file, encoder = ip_adapter_files(path)
    if encoder is not None:
        check_network_files(encoder, "transformers")
    elif "image_encoder" not in parts(pipeline.index):
        raise InputError(
            f"{file}: an IP-Adapter needs a picture encoder, but there is no folder image_encoder beside it, and the"
            " pipeline has none; add the one it was trained with"
        )


def _add_lora(pipeline: Any, path: Path) -> None:
    file = lora_file(path)
    try:
        with quiet_loading():
            pipeline.load_lora_weights(str(file.parent), weight_name=file.name, local_files_only=True)
    except LOADING_ERRORS as error:
        raise InputError(f"{file}: cannot be loaded as a LoRA: {first_line(error)}") from error
    if not any(pipeline.get_list_adapters().values()):
        raise InputError(f"{file}: no weight of it belongs to this {type(pipeline).__name__}")


def _add_ip_adapter(pipeline: Any, path: Path, dtype: torch.dtype) -> None:
    file, encoder = ip_adapter_files(path)
    try:
        with quiet_loading():
            if encoder is not None and getattr(pipeline, "image_encoder", None) is None:
                import transformers

                kind = transformers.CLIPVisionModelWithProjection
                pipeline.register_modules(image_encoder=read_network(kind, encoder, dtype))
            pipeline.load_ip_adapter(
                str(file.parent), subfolder="", weight_name=file.name, image_encoder_folder=None, local_files_only=True
            )
    except LOADING_ERRORS as error:
        raise InputError(f"{file}: cannot be loaded as an IP-Adapter: {first_line(error)}") from error
