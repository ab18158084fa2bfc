"""Reading and checking files of tensors: safetensors, and torch's pickles, of which only plain data is loaded."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError

from gill_bench.errors import InputError, first_line
from gill_bench.storage.reading import refuse_pointer
from gill_bench.weights.tensor_entries import TensorEntry, entries_of

T = TypeVar("T")

LOADING_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RuntimeError,
    EOFError,
    ImportError,
    SafetensorError,
    pickle.UnpicklingError,
)
"""Exceptions that libraries raise for weights that are missing, damaged or of another model."""


def check_weight_file(file: Path) -> None:
    """Check that a file of safetensors, or one of `torch.save`, is whole as far as its format shows.

    Raises:
        InputError: The file is empty, of another kind, cut off, or a Git LFS pointer.
    """
    if file.stat().st_size == 0:
        raise InputError(f"{file}: empty file")
    if file.suffix == ".safetensors":
        read_header(file)
    else:
        check_torch_file(file)


def read_header(file: Path) -> dict[str, Any]:
    """The entries of a safetensors file by key; the file must be as long as they say, which a cut download is not.

    Raises:
        InputError: The file is not as long as its header says, has no such header, or is a Git LFS pointer.
    """
    refuse_pointer(file)
    size = file.stat().st_size
    try:
        with file.open("rb") as opened:
            header = int.from_bytes(opened.read(8), "little")
            if not 0 < header <= size - 8:
                raise ValueError
            tensors: dict[str, Any] = json.loads(opened.read(header))
        entries = {key: item for key, item in tensors.items() if key != "__metadata__"}
        end = max((item["data_offsets"][1] for item in entries.values()), default=0)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise InputError(f"{file}: not a safetensors file, or cut off ({size} bytes)") from error
    if 8 + header + end != size:
        raise InputError(f"{file}: {size} bytes, but its header promises {8 + header + end}: download it again")
    return entries


def check_torch_file(file: Path) -> None:
    """Check that `torch.save` wrote a file, and that the file is whole as far as its format shows.

    Raises:
        InputError: The file is of another kind, cut off, or a Git LFS pointer.
    """
    refuse_pointer(file)
    with file.open("rb") as opened:
        start = opened.read(2)
    # torch's format before 1.6 is a sequence of pickles, which must be read to find out whether it is whole.
    whole = zipfile.is_zipfile(file) if start == b"PK" else start[:1] == b"\x80"
    if not whole:
        raise InputError(
            f"{file}: not a file of torch.save, or cut off ({file.stat().st_size} bytes); download it again"
        )


def read_tensor_file(file: Path) -> Any:
    """Read a file of tensors onto the CPU; where the format allows it, the values are mapped and not read yet.

    Returns:
        Tensors by key from a safetensors file; the object in the file from any other.

    Raises:
        InputError: The file is missing, truncated, a Git LFS pointer, or holds anything but plain data.
    """
    if file.suffix != ".safetensors":
        return _unpickle(file, "cpu")
    from safetensors import safe_open

    try:
        refuse_pointer(file)
        with safe_open(file, framework="pt") as opened:
            return {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 (no mapping)
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file") from error
    except LOADING_ERRORS as error:
        raise InputError(f"{file}: cannot be read, it may be truncated: {first_line(error)}") from error


def read_state(file: Path, under: str = "") -> dict[str, Any]:
    """Read floating-point tensors by key onto the CPU, as `read_tensor_file` does.

    Args:
        file: The file.
        under: Key under which a file of torch has the tensors, beside other entries; "" if it has them directly.
    """
    from torch import Tensor

    return _state_in(read_tensor_file(file), file, under, Tensor)


def read_entries(file: Path, under: str = "") -> dict[str, TensorEntry]:
    """Types and shapes of the tensors that `read_state` reads, without their values; the errors are the same.

    Torch is imported only for a file that this package cannot read by itself, such as a damaged one.
    """
    content = entries_of(file)
    if content is None:
        state = read_state(file, under)
        return {key: TensorEntry(name_of_type(value.dtype), tuple(value.shape)) for key, value in state.items()}
    return _state_in(content, file, under, TensorEntry)


def _state_in(content: Any, file: Path, under: str, kind: type[T]) -> dict[str, T]:
    """The tensors by key in the content of a file, which must be of one kind and of floating-point numbers."""
    expected = "a dictionary of tensors alone"
    if under and file.suffix != ".safetensors":
        content = content.get(under) if isinstance(content, Mapping) else None
        expected = f"a dictionary with {under!r}, a dictionary of tensors"
    if not isinstance(content, Mapping) or not all(isinstance(value, kind) for value in content.values()):
        raise InputError(f"{file}: expected {expected}")
    state = {str(key): value for key, value in content.items()}
    check_floating(file, {key: value.dtype for key, value in state.items()})
    return state


def _unpickle(file: Path, device: str) -> Any:
    import torch

    try:
        check_torch_file(file)
        return torch.load(file, map_location=device, weights_only=True, mmap=zipfile.is_zipfile(file))
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file") from error
    except pickle.UnpicklingError as error:
        raise InputError(f"{file}: {first_line(error)}") from error
    except LOADING_ERRORS as error:
        raise InputError(f"{file}: cannot be read, it may be truncated: {first_line(error)}") from error


def read_pickled_shapes(file: Path) -> Any:
    """Read the object in a file of `torch.save`, with tensors that have shape and type, and no values.

    Returns:
        The object; its tensors are `TensorEntry`, or torch's own on the meta device where only torch can read the file.

    Raises:
        InputError: The file is missing, truncated, a Git LFS pointer, or holds anything but plain data.
    """
    content = entries_of(file)
    return _unpickle(file, "meta") if content is None else content


def tensor_types(file: Path) -> dict[str, Any]:
    """The type of each tensor in a file, by key; values are not read.

    Raises:
        InputError: The file is cut off, or does not hold tensors by name.
    """
    if file.suffix == ".safetensors":
        return {key: str(item.get("dtype")) for key, item in read_header(file).items()}
    content = read_pickled_shapes(file)
    if not isinstance(content, Mapping):
        raise InputError(f"{file}: expected a dictionary of tensors, found {type(content).__name__}")
    return {str(key): value.dtype for key, value in content.items() if hasattr(value, "dtype")}


def check_floating(file: Path, types: Mapping[str, Any], integers: Collection[str] = ()) -> None:
    """Check that tensors hold floating-point numbers, since loaders convert whole numbers without a word.

    Args:
        file: The file, for errors.
        types: Type of each tensor by key: a dtype of torch, its name, or the name in safetensors ("F16", "I64").
        integers: Last parts of the keys whose tensors may be of any type.

    Raises:
        InputError: Names the first key of another type.
    """
    for key, kind in types.items():
        name = name_of_type(kind)
        if not name.lower().startswith(("f", "bf")) and key.rpartition(".")[2] not in integers:
            raise InputError(
                f"{file}: {key} is of type {name}, expected floating-point numbers; the file is damaged, or quantised:"
                " download the plain weights"
            )


def name_of_type(kind: object) -> str:
    """The name of a tensor's type, such as "float16", from a dtype of torch or a name."""
    return str(kind).removeprefix("torch.")
