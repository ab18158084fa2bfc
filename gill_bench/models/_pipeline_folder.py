"""Folders in diffusers' layout: what can be known of them without importing diffusers or torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gill_bench.errors import InputError, did_you_mean

# Of diffusers' AUTO_TEXT2IMAGE_PIPELINES_MAPPING, those that need nothing but a prompt and one folder.
TEXT_TO_IMAGE = (
    "AuraFlowPipeline",
    "FluxPipeline",
    "HunyuanDiTPipeline",
    "Kandinsky3Pipeline",
    "LatentConsistencyModelPipeline",
    "PixArtAlphaPipeline",
    "PixArtSigmaPipeline",
    "SanaPipeline",
    "StableDiffusion3Pipeline",
    "StableDiffusionPipeline",
    "StableDiffusionXLPipeline",
)
SAFETY = ("safety_checker", "feature_extractor")
_CONFIGS = {
    "scheduler": ("scheduler_config.json",),
    "feature_extractor": ("preprocessor_config.json",),
    "tokenizer": ("tokenizer.json", "tokenizer_config.json", "vocab.json", "spiece.model"),
}


def read_index(path: Path) -> dict[str, Any]:
    """Read `model_index.json`, without the parts that it says are absent.

    Raises:
        InputError: Missing, or not the index of a pipeline.
    """
    file = path / "model_index.json"
    if not file.is_file():
        raise InputError(f"{file}: no such file; expected a pipeline in diffusers' layout, as save_pretrained writes")
    index = read_json(file)
    if not isinstance(index.get("_class_name"), str):
        raise InputError(f"{file}: no '_class_name': not the index of a diffusers pipeline")
    return {name: value for name, value in index.items() if value != [None, None]}


def parts(index: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Library and class by name of the parts that are there."""
    return {
        name: (value[0], value[1])
        for name, value in index.items()
        if isinstance(value, list) and len(value) == 2 and all(isinstance(item, str) for item in value)
    }


def check_pipeline_folder(path: Path, *, safety_checker: bool) -> dict[str, Any]:
    """Check that a folder holds a whole text-to-image pipeline, and return its index.

    Args:
        path: Folder with `model_index.json`.
        safety_checker: Whether the safety checker will be loaded; it may be absent, but not damaged.

    Raises:
        InputError: Names the file or folder that is missing, empty, cut off, or of another kind of model.
    """
    index = read_index(path)
    name = index["_class_name"]
    if name not in TEXT_TO_IMAGE:
        raise InputError(
            f"{path / 'model_index.json'}: {name} is not a text-to-image pipeline that is known here; "
            f"{did_you_mean(name, TEXT_TO_IMAGE)}"
        )
    for part in parts(index):
        if part in SAFETY and (not safety_checker or not (path / part).is_dir()):
            continue
        _check_part(path / part)
    return index


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        InputError: It does not, or cannot be read.
    """
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputError(f"{file}: expected a JSON object")
    return value


def check_safetensors(file: Path) -> None:
    """Check that a file is as long as its header says, which a download that broke off is not.

    Raises:
        InputError: It is not, or has no such header.
    """
    size = file.stat().st_size
    try:
        with file.open("rb") as opened:
            header = int.from_bytes(opened.read(8), "little")
            if not 0 < header <= size - 8:
                raise ValueError
            tensors = json.loads(opened.read(header))
        end = max((item["data_offsets"][1] for key, item in tensors.items() if key != "__metadata__"), default=0)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise InputError(f"{file}: not a safetensors file, or cut off ({size} bytes)") from error
    if 8 + header + end != size:
        raise InputError(f"{file}: {size} bytes, but its header promises {8 + header + end}: download it again")


def _check_part(folder: Path) -> None:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder, but model_index.json lists it")
    kind = folder.name.rstrip("_0123456789")
    configs = [folder / name for name in _CONFIGS.get(kind, ("config.json",))]
    there = [file for file in configs if file.is_file()]
    if not there:
        raise InputError(f"{folder}: no {configs[0].name}")
    for file in there:
        if file.stat().st_size == 0:
            raise InputError(f"{file}: empty file")
    if kind in _CONFIGS:
        return
    files = sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")])
    if not files:
        raise InputError(f"{folder}: no weights; expected a .safetensors or .bin file")
    for file in files:
        if file.stat().st_size == 0:
            raise InputError(f"{file}: empty file")
        if file.suffix == ".safetensors":
            check_safetensors(file)
    for listing in folder.glob("*.index.json"):
        for shard in sorted(set(read_json(listing).get("weight_map", {}).values())):
            if not (folder / shard).is_file():
                raise InputError(f"{folder / shard}: no such file, but {listing.name} lists it")
