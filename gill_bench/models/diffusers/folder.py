"""Folders in diffusers' layout: reading and checking them without importing diffusers or torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gill_bench.errors import InputError, did_you_mean
from gill_bench.storage.reading import read_json
from gill_bench.weights.checkpoints import check_network_files
from gill_bench.weights.network_files import LIBRARIES

# The pipelines of diffusers' AUTO_TEXT2IMAGE_PIPELINES_MAPPING that need nothing but a prompt and one folder.
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
_NO_NETWORK = re.compile("Tokenizer|Processor|Scheduler|FeatureExtractor|Guidance")
TOKENIZERS = ("tokenizer", "tokenizer_2", "tokenizer_3", "tokenizer_4")
SAFETY = ("safety_checker", "feature_extractor")
_CONFIGS = {
    "scheduler": ("scheduler_config.json",),
    "feature_extractor": ("preprocessor_config.json", "processor_config.json"),
    "tokenizer": ("tokenizer.json", "tokenizer_config.json", "vocab.json", "spiece.model"),
}


def read_index(path: Path) -> dict[str, Any]:
    """Read `model_index.json`, without the parts that it says are absent.

    Raises:
        InputError: The file is missing, or is not the index of a pipeline.
    """
    file = path / "model_index.json"
    if path.is_file():
        raise InputError(
            f"{path}: a single file, expected the folder of a pipeline in diffusers' layout; write one from it with"
            " diffusers (DiffusionPipeline class: from_single_file, then save_pretrained)"
        )
    if not file.is_file():
        raise InputError(f"{file}: no such file; expected a pipeline in diffusers' layout, as save_pretrained writes")
    index = read_json(file)
    if not isinstance(index.get("_class_name"), str):
        raise InputError(f"{file}: no '_class_name': not the index of a diffusers pipeline")
    return {name: value for name, value in index.items() if value != [None, None]}


_RENAMED = {"CLIPFeatureExtractor": "CLIPImageProcessor"}
"""Classes of transformers 4 that published indices name, and their names in transformers 5; diffusers maps them too."""


def parts(index: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Library and class of each part that an index lists, by the part's name."""
    return {
        name: (str(value[0]), _RENAMED.get(value[1], str(value[1])))
        for name, value in index.items()
        if isinstance(value, list) and len(value) == 2 and all(isinstance(item, str) for item in value)
    }


def check_pipeline_folder(path: Path, *, safety_checker: bool) -> dict[str, Any]:
    """Check that a folder holds a whole text-to-image pipeline, and return its index.

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
    check_parts(path, index, safety_checker=safety_checker)
    return index


def check_parts(path: Path, index: Mapping[str, Any], *, safety_checker: bool = True, variant: str = "") -> None:
    """Check that all parts that an index lists are there and whole.

    Args:
        path: The folder.
        index: The content of its `model_index.json`.
        safety_checker: Whether the safety checker will be loaded; it may be absent, but must not be damaged.
        variant: Precision in the names of the files that will be read; "" for plain names.

    Raises:
        InputError: Names the file or folder that is missing, empty or cut off.
    """
    for part, (library, kind) in parts(index).items():
        if part in SAFETY and (not safety_checker or not (path / part).is_dir()):
            continue
        _check_part(path / part, library, kind, variant)


def ignores_guidance(kind: str, transformer: Mapping[str, Any]) -> bool:
    """Whether a pipeline takes `guidance_scale` but ignores it, as FLUX does without the embedding that reads it."""
    return kind == "FluxPipeline" and not transformer.get("guidance_embeds", False)


def is_network(kind: str) -> bool:
    """Whether a class of this name is a network, and no tokenizer, scheduler or the like."""
    return _NO_NETWORK.search(kind) is None


def _check_part(folder: Path, library: str, kind_name: str, variant: str) -> None:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder, but model_index.json lists it")
    kind = folder.name.rstrip("_0123456789")
    network = kind not in _CONFIGS and is_network(kind_name)
    configs = [folder / name for name in _CONFIGS.get(kind, ("config.json",))]
    present = [file for file in (configs if network or kind in _CONFIGS else folder.glob("*.json")) if file.is_file()]
    if not present and not network and kind_name.startswith("ByT5"):  # its tokens are the bytes
        return
    if not present:
        raise InputError(f"{folder}: no {configs[0].name if network or kind in _CONFIGS else 'JSON file'}")
    for file in present:
        if file.stat().st_size == 0:
            raise InputError(f"{file}: empty file")
    missing = [name for name in ("vocab.json", "merges.txt") if not (folder / name).is_file()]
    if kind == "tokenizer" and len(missing) == 1 and not (folder / "tokenizer.json").is_file():
        raise InputError(f"{folder}: no {missing[0]}, without which its other files are no tokenizer")
    if not network:
        return
    # A class of one of diffusers' pipelines, such as the safety checker, may be built on either library.
    check_network_files(folder, next((name for name in LIBRARIES if name == library), None), variant)
