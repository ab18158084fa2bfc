"""Facts that the files of a pipeline, LoRA or IP-Adapter tell before anything is loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gill_bench.errors import InputError
from gill_bench.models.diffusers.folder import is_network, parts, read_index
from gill_bench.storage.reading import read_json
from gill_bench.weights.checkpoints import weight_files
from gill_bench.weights.network_files import LIBRARIES, network_files
from gill_bench.weights.tensor_files import tensor_types

_NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float32"}
REWRITERS = ("pe", "pe_tokenizer", "prompt_enhancer_head")
"""Parts that rewrite a prompt before it is read. They stay unloaded, as prompts are never rewritten."""
_NO_LIMIT = 100_000
"""Tokens from which on a tokenizer's `model_max_length` means that it has no limit."""


def files_dtype(path: Path, variant: str = "") -> str:
    """The precision in which the files of a pipeline's largest network hold most of their tensors."""
    largest = max(_networks(path, variant), key=lambda files: sum(file.stat().st_size for file in files), default=())
    types: Counter[str] = Counter()
    for file in largest:
        types.update(str(kind).removeprefix("torch.") for kind in tensor_types(file).values())
    named = [(_NAMES.get(kind, kind), number) for kind, number in types.most_common()]
    return next((name for name, _ in named if name in ("float32", "float16", "bfloat16")), "float32")


def _networks(path: Path, variant: str) -> Iterator[tuple[Path, ...]]:
    """The weight files of each network of a pipeline."""
    for part, (_, kind) in parts(read_index(path)).items():
        names = {file.name for file in (path / part).glob("*")} if is_network(kind) else set()
        files = next((files for library in LIBRARIES if (files := network_files(names, library, variant))), None)
        if files is not None:
            yield tuple(weight_files(path / part, files))


def check_variant(path: Path, variant: str) -> None:
    """Check that some network of a pipeline has files of a variant.

    Raises:
        InputError: None has.
    """
    names = [file.name for file in path.glob("*/*") if file.is_file()]
    if variant and not any(f".{variant}." in name or f".{variant}-" in name for name in names):
        raise InputError(
            f"{path}: variant = {variant!r}, but no file has .{variant} in its name; leave the setting out"
        )


def text_limits(path: Path, defaults: Mapping[str, Any]) -> str:
    """The limit of each tokenizer in tokens, as its files and `max_sequence_length` say.

    Args:
        path: Folder of the pipeline.
        defaults: The arguments of the call, of which `max_sequence_length` limits all tokenizers but CLIP's and BERT's.
    """
    length = defaults.get("max_sequence_length")
    limits = []
    for part, (_, kind) in parts(read_index(path)).items():
        file = path / part / "tokenizer_config.json"
        # FLUX.2's part `tokenizer` is a processor.
        reads = "Tokenizer" in kind or part.startswith("tokenizer")
        if not reads or part in REWRITERS or not file.is_file():
            continue
        own = read_json(file).get("model_max_length")
        known = [own] if isinstance(own, int | float) and own < _NO_LIMIT else []
        if isinstance(length, int) and not kind.startswith(("CLIP", "Bert")):
            known.append(length)
        limits.append(f"{part} {int(min(known))}" if known else f"{part} none known")
    return ", ".join(limits)


def lora_file(path: Path) -> Path:
    """The file of a LoRA: the component itself, or the only file of weights in its folder."""
    return _only_file(path, "LoRA", [path] if path.is_file() else _weights_in(path))


def ip_adapter_files(path: Path) -> tuple[Path, Path | None]:
    """The file of an IP-Adapter, and the folder of its picture encoder, if there is one beside it or above it."""
    inside = (
        [] if path.is_file() else _weights_in(path) + _weights_in(path / "models") + _weights_in(path / "sdxl_models")
    )
    file = _only_file(path, "IP-Adapter", [path] if path.is_file() else inside)
    folders = (file.parent / "image_encoder", path / "image_encoder", path / "models" / "image_encoder")
    return file, next((folder for folder in folders if (folder / "config.json").is_file()), None)


def _weights_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*") if file.suffix in (".safetensors", ".bin") and file.is_file())


def _only_file(path: Path, what: str, files: list[Path]) -> Path:
    if len(files) != 1:
        names = ", ".join(file.name for file in files[:3])
        raise InputError(
            f"{path}: expected one file of weights of the {what}, found {names or 'none'}; name the file itself, as in"
            ' folder = "my-folder/my-file.safetensors"'
        )
    return files[0]
