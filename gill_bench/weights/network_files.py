"""Which files of a folder the loaders of transformers and diffusers read, decided by the files' names alone.

By names alone one can download only the files that will be read, and leave out of a digest only files that never are.
The loaders get the decision as arguments (`NetworkFiles.options`), so that they cannot choose other files.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

Library = Literal["transformers", "diffusers"]
VARIANTS = ("fp32", "fp16", "bf16")
"""Precisions in names such as `model.fp16.safetensors`, in the order of preference where there is no plain file."""
LIBRARIES: tuple[Library, ...] = ("transformers", "diffusers")
STEMS: dict[Library, dict[str, str]] = {
    "transformers": {".safetensors": "model", ".bin": "pytorch_model"},
    "diffusers": {".safetensors": "diffusion_pytorch_model", ".bin": "diffusion_pytorch_model"},
}
"""By library and suffix: the name of a network's file, in the order of preference."""
PIPELINE = "model_index.json"
COPIES = ("*.msgpack", "*.h5*", "*.ot", "*.ckpt", "*.onnx*", "flax_*", "tf_*", "rust_*", "*.non_ema.*", "*.fp16.*")
"""Names of copies of weights in the formats of other frameworks and in other precisions."""

_OTHER_FRAMEWORKS = COPIES[:-2]
_OTHER_PRECISION = re.compile(rf"\.({'|'.join((*VARIANTS, 'non_ema'))})[.-]")
_PICKLES = (".bin", ".bin.index.json")
_WHOLE_PIPELINE = (".safetensors", ".ckpt", ".bin", ".pt", ".pth", ".gguf")


class NetworkFiles(NamedTuple):
    """The files of one network that a loader reads from a folder.

    Attributes:
        entry: Name of the file that holds all weights, or of the index of its shards.
        suffix: ".safetensors" or ".bin".
        variant: Precision in the names of the files; "" in plain names.
    """

    entry: str
    suffix: str
    variant: str

    @property
    def sharded(self) -> bool:
        """Whether `entry` is an index that lists the files with the weights."""
        return self.entry.endswith(".json")

    @property
    def options(self) -> dict[str, str | bool]:
        """Arguments of `from_pretrained` that make it read these files."""
        variant: dict[str, str | bool] = {"variant": self.variant} if self.variant else {}
        return {"use_safetensors": self.suffix == ".safetensors", **variant}


def network_files(names: Collection[str], library: Library, variant: str = "") -> NetworkFiles | None:
    """The files that a library reads a network from, or None if there are none.

    Args:
        names: Names of the files in one folder.
        library: The library that reads the network; each has names of its own.
        variant: The precision in names that comes first; "" for plain names.

    >>> network_files({"model.safetensors", "pytorch_model.bin"}, "transformers").entry
    'model.safetensors'
    >>> network_files({"model.fp16.safetensors", "pytorch_model.bin"}, "transformers").entry
    'pytorch_model.bin'
    """
    for precision in dict.fromkeys((variant, "", *VARIANTS)):
        infix = f".{precision}" if precision else ""
        for suffix, stem in STEMS[library].items():
            whole, index = f"{stem}{infix}{suffix}", f"{stem}{suffix}.index{infix}.json"
            # transformers prefers a file with all weights to the shards that an index lists, diffusers the shards.
            for entry in (whole, index) if library == "transformers" else (index, whole):
                if entry in names:
                    return NetworkFiles(entry, suffix, precision)
    return None


def entries(names: Iterable[str]) -> list[str]:
    """The paths of a component's files that a loader opens first: files with all weights, and indices of shards.

    >>> entries(["unet/diffusion_pytorch_model.bin", "config.json"])
    ['unet/diffusion_pytorch_model.bin']
    """
    return [
        str(folder / files.entry)
        for folder, inside in _by_folder(map(PurePosixPath, names)).items()
        for files in _networks(inside).values()
    ]


def readable(names: Iterable[str], listed: Collection[str] = ()) -> list[str]:
    """The files of a component that a loader may read, in their order.

    A copy of weights in another format, framework or precision is left out if the files that a loader prefers lie
    beside it. A whole pipeline in one file beside `model_index.json` is left out too. All other files stay.

    Args:
        names: Paths of all files, relative to the component's folder.
        listed: Paths that an index of shards lists; they stay under any name.

    >>> readable(["unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors"])
    ['unet/diffusion_pytorch_model.safetensors']
    >>> readable(["model_index.json", "flux1-dev.safetensors", "vae/diffusion_pytorch_model.fp16.bin"])
    ['model_index.json', 'vae/diffusion_pytorch_model.fp16.bin']
    """
    paths = [PurePosixPath(name) for name in names]
    folders = _by_folder(paths)
    networks = {folder: _networks(inside) for folder, inside in folders.items()}
    loaded = {folder for folder, inside in folders.items() if networks[folder] or PIPELINE in inside}

    def is_copy(path: PurePosixPath) -> bool:
        if PIPELINE in folders[path.parent] and path.name.endswith(_WHOLE_PIPELINE):
            return True
        if any(fnmatch(path.name, pattern) for pattern in _OTHER_FRAMEWORKS):
            # No loader looks into a folder such as `onnx` inside that of a network.
            return not loaded.isdisjoint(path.parents)
        beside = _same_library(path.name, networks[path.parent])
        precision = _OTHER_PRECISION.search(path.name)
        if precision and beside and all(files.variant != precision[1] for files in beside):
            return True
        return path.name.endswith(_pickles(path.name)) and any(files.suffix == ".safetensors" for files in beside)

    return [str(path) for path in paths if str(path) in listed or not is_copy(path)]


def _by_folder(paths: Iterable[PurePosixPath]) -> dict[PurePosixPath, set[str]]:
    folders: dict[PurePosixPath, set[str]] = {}
    for path in paths:
        folders.setdefault(path.parent, set()).add(path.name)
    return folders


def _networks(names: Collection[str]) -> dict[Library, NetworkFiles]:
    chosen = {library: network_files(names, library) for library in STEMS}
    return {library: files for library, files in chosen.items() if files is not None}


def _same_library(name: str, networks: dict[Library, NetworkFiles]) -> list[NetworkFiles]:
    """The chosen files of the library that gives its files such names; those of both libraries if neither does."""
    for library, stems in STEMS.items():
        if name.startswith(tuple(stems.values())):
            return [networks[library]] if library in networks else []
    return list(networks.values())


def _pickles(name: str) -> tuple[str, ...]:
    """Endings of the names of pickles and of their indices, also of an index in the precision that a name has."""
    precision = _OTHER_PRECISION.search(name)
    return _PICKLES if precision is None else (*_PICKLES, f".bin.index.{precision[1]}.json")
