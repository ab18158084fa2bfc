"""Types and shapes of the tensors in a file, read without torch, whose import takes longer than the rest of a dry run.

Files are read that have a usual form: safetensors, or a zip file of `torch.save` with plain tensors. Of any other file,
also a damaged one, nothing is read by this module: torch reads it, or says what is wrong with it.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import safe_open

from gill_bench.storage.reading import refuse_pointer

_SAFETENSORS = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
"""Torch's name of a type, by its name in safetensors."""
_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
"""Torch's name of a type, by the class of torch that a pickle names for it."""
_BYTES = {"64": 8, "32": 4, "16": 2, "8": 1}
"""Bytes of a number, by the end of its type's name."""
_PROTOCOL = 2  # of the pickles that torch.save writes
_LARGEST = 1 << 22  # bytes of such a pickle; that of 10,000 tensors has about 2 MB


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """A tensor in a file, without its values.

    Attributes:
        dtype: The name of its type in torch, such as "float16".
        shape: Its shape.
    """

    dtype: str
    shape: tuple[int, ...]

    def numel(self) -> int:
        """The count of its numbers."""
        return math.prod(self.shape)

    def element_size(self) -> int:
        """The bytes of one number."""
        return next((size for end, size in _BYTES.items() if self.dtype.endswith(end)), 1)


def entries_of(file: Path) -> Any:
    """The content of a file of tensors, with a `TensorEntry` for each tensor.

    Returns:
        Entries by key for a safetensors file; the object in any other, of which no code is run. None where torch must
        be asked: the file is damaged, or written in another way than usual.
    """
    try:
        refuse_pointer(file)
        return _in_safetensors(file) if file.suffix == ".safetensors" else _in_pickle(file)
    except Exception:  # whatever it is, torch says it of the same file
        return None


def _in_safetensors(file: Path) -> dict[str, TensorEntry]:
    with safe_open(file, framework="np") as opened:
        slices = {key: opened.get_slice(key) for key in opened.keys()}  # noqa: SIM118 (no mapping)
        return {
            key: TensorEntry(_SAFETENSORS[part.get_dtype()], tuple(part.get_shape())) for key, part in slices.items()
        }


def _in_pickle(file: Path) -> Any:
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        [listing] = [name for name in entries if name.endswith("/data.pkl")]
        folder = listing.removesuffix("data.pkl")
        if f"{folder}version" not in entries or f"{folder}constants.pkl" in entries:
            raise ValueError("a file that torch.save did not write, or a model of TorchScript")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            raise ValueError("a compressed file, which torch.save does not write")
        if f"{folder}byteorder" in entries and archive.read(f"{folder}byteorder") != b"little":
            raise ValueError("numbers in another order of bytes")
        if entries[listing].file_size > _LARGEST:
            raise ValueError("more than names, types and shapes")
        content = archive.read(listing)
    for instruction, argument, _ in pickletools.genops(content):
        if instruction.proto > _PROTOCOL or (instruction.name.endswith("PUT") and (argument or 0) > len(content)):
            raise ValueError("an instruction that torch.save does not write, or one that takes memory without limit")
    sizes = {name: entry.file_size for name, entry in entries.items()}
    return _TensorUnpickler(io.BytesIO(content), folder, sizes).load()


class _Numbers(NamedTuple):
    """The stored numbers of which tensors show a part: the name of their type, and how many there are."""

    dtype: str
    length: int


class _TensorUnpickler(pickle.Unpickler):
    """Reads plain data and tensors, and refuses every other class or function that a pickle names."""

    def __init__(self, opened: Any, folder: str, sizes: dict[str, int]) -> None:
        super().__init__(opened)
        self._folder, self._sizes = folder, sizes

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _new_rebuild()
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> _Numbers:
        kind, dtype, key, _, length = pid
        size = self._sizes[f"{self._folder}data/{key}"]
        if kind != "storage" or size != length * TensorEntry(dtype, ()).element_size():
            raise pickle.UnpicklingError("a storage of another size than its file")
        return _Numbers(dtype, length)


def _new_rebuild() -> Callable[..., TensorEntry]:
    """A function in the place of torch's; a new one each time, so that a pickle can change none that others use."""

    def rebuild(
        numbers: _Numbers, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: object
    ) -> TensorEntry:
        end = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True)) + 1
        if math.prod(shape) and not 0 <= offset < end <= numbers.length:
            raise pickle.UnpicklingError("a tensor that is larger than its storage")
        return TensorEntry(numbers.dtype, tuple(shape))

    return rebuild
