"""The memory that weights take once they are loaded, from the headers of their files; no values are read."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gill_bench.errors import InputError
from gill_bench.weights.find import Weights
from gill_bench.weights.tensor_files import read_header, read_pickled_shapes

_PICKLES = frozenset({".bin", ".pt", ".pth", ".tar", ".ckpt"})
_UNREAD = frozenset({".gguf", ".npz", ".onnx"})
"""Endings of files of weights whose content is not looked into: they count with their size."""
_FLOATS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_CONVERTED = frozenset(_FLOATS.values())


def memory_of(weights: Weights, bytes_a_number: int | None) -> int:
    """The bytes that a component's weights take in memory: at most so many, since a model may load only a part of them.

    Args:
        weights: The component.
        bytes_a_number: Bytes of a number in the precision that the model is loaded with; None for that of the files.
            Whole numbers, and floating-point numbers of 8 bits, keep the precision of the files.
    """
    return sum(_memory_of_file(file, bytes_a_number) for file in weights.read_files().values())


def _memory_of_file(file: Path, bytes_a_number: int | None) -> int:
    """The bytes of a file's tensors; a file that cannot be looked into counts with its size.

    Such are pickles of before torch 1.6, which must be read whole, and those that hold code, which is never run.
    """
    try:
        if file.suffix == ".safetensors":
            tensors = list(_of_safetensors(file))
        elif file.suffix in _PICKLES and zipfile.is_zipfile(file):
            tensors = list(_of_pickle(read_pickled_shapes(file)))
        else:
            return file.stat().st_size if file.suffix in _PICKLES | _UNREAD else 0
    except InputError:
        return file.stat().st_size
    return sum(
        numbers * (bytes_a_number if bytes_a_number and kind in _CONVERTED else bytes_in_file)
        for kind, numbers, bytes_in_file in tensors
    )


def _of_safetensors(file: Path) -> Iterator[tuple[str, int, int]]:
    """(type, count of numbers, bytes of a number) of each tensor."""
    for entry in read_header(file).values():
        numbers = math.prod(entry["shape"])
        start, end = entry["data_offsets"]
        if numbers:
            yield _FLOATS.get(entry["dtype"], ""), numbers, (end - start) // numbers


def _of_pickle(content: Any) -> Iterator[tuple[str, int, int]]:
    """The same for the tensors in an object of torch, at any depth."""
    if isinstance(content, Mapping):
        content = list(content.values())
    if isinstance(content, list | tuple):
        for item in content:
            yield from _of_pickle(item)
    elif hasattr(content, "element_size"):
        yield str(content.dtype).removeprefix("torch."), content.numel(), content.element_size()
