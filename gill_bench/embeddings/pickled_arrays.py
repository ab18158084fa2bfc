"""Arrays and strings of a pickle, read without running anything that the file names (protocol 1.9).

Python's unpickler calls what a file names. The one used here admits a closed list of names (those with which numpy
writes arrays and torch writes tensors) and puts functions of this module in their place; every other name is refused.
Before it runs, `_walk` reads the file once with `pickletools` and refuses instructions that no file of arrays and
strings has, nesting without end, and references that would take memory without limit. The whole file is held in memory,
because it is converted only once.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from gill_bench.errors import InputError
from gill_bench.storage.reading import read_bytes

_INSTRUCTIONS = {
    *("PROTO", "FRAME", "STOP", "MARK", "POP", "MEMOIZE", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"),
    *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    *("EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS"),
    *("EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "TUPLE"),
    *("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "BINPERSID"),
}
_DEEPEST = 100_000  # values on the unpickler's stack; Python's pickler takes items into a list after at most 1,000
_STEP = 1 << 24  # bytes between two reports of progress
_MAGIC, _FORMAT = 0x1950A86A20F9469CFC6C, 1001  # the first two values in a file of torch's old format
_DTYPES = {"BFloat16Storage": "bf16", "HalfStorage": "<f2", "FloatStorage": "<f4", "DoubleStorage": "<f8"}
_KINDS = ("f2", "f4", "f8")


class _RefusedError(Exception):
    """A file is refused; the message continues a sentence that begins with the file's name."""


class StoredArray:
    """An array of a pickle.

    Attributes:
        dtype: "<f2", "<f4" or "<f8", the same with ">", or "bf16", which numpy lacks; "" until the numbers are read.
        values: The numbers in their shape, read-only; for "bf16" the upper halves of float32 numbers, as "<u2".
    """

    __slots__ = ("dtype", "values")

    def __init__(self, dtype: str = "", values: NDArray[np.generic] | None = None) -> None:
        self.dtype = dtype
        self.values: NDArray[np.generic] = np.empty(0, np.float32) if values is None else values

    def __setstate__(self, state: tuple[object, ...]) -> None:
        _, shape, dtype, by_column, content = state
        if self.dtype:
            raise TypeError("an array is filled twice")
        filled = _filled(content, dtype, shape, by_column=by_column is True)
        self.dtype, self.values = filled.dtype, filled.values

    def numbers(self) -> NDArray[np.floating]:
        """The numbers in their shape: float32 if the dtype is "bf16", else float64."""
        if self.dtype == "bf16":
            return (self.values.astype(np.uint32) << 16).view(np.float32)
        return self.values.astype(np.float64)


class _Dtype:
    __slots__ = ("code", "order")

    def __init__(self, code: object, *_: object) -> None:
        if code not in _KINDS:
            raise _RefusedError(f"has an array of type {str(code)[:20]!r}, expected floating point numbers")
        self.code, self.order = str(code), "<"

    def __setstate__(self, state: tuple[object, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"


class _Storage:
    """A storage of torch: the numbers that tensors are views of. `values` is None until the numbers are read."""

    __slots__ = ("count", "dtype", "values")

    def __init__(self, dtype: str, count: int, values: NDArray[np.generic] | None = None) -> None:
        self.dtype, self.count, self.values = dtype, count, values


class _Name:
    """The stand-in of an admitted name: a file can call it, and cannot alter it."""

    __slots__ = ("_name", "_rebuild")
    _name: str
    _rebuild: Callable[..., object] | None

    def __init__(self, name: str, rebuild: Callable[..., object] | None) -> None:
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_rebuild", rebuild)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise TypeError(f"{self._name} is not altered")

    def __call__(self, *arguments: object) -> object:
        if self._rebuild is None:
            raise TypeError(f"{self._name} is named and never called")
        return self._rebuild(*arguments)


class _Unpickler(pickle.Unpickler):
    """Python's unpickler with a closed list of names."""

    def __init__(self, file: io.BytesIO, admitted: dict[str, _Name]) -> None:
        super().__init__(file)
        self._admitted = admitted

    def find_class(self, module: str, name: str) -> object:
        stand_in = self._admitted.get(f"{module}.{name}")
        if stand_in is None:
            raise _RefusedError(
                f"names {module}.{name}, which is no part of arrays or strings, and may be code;\n"
                "the file is refused, and nothing of it was run. Get it from its authors again, or make it anew"
            )
        return stand_in

    def persistent_load(self, identity: object) -> _Storage:
        """The storage that the tuple ("storage", type, key, device, count, view), written by torch, announces."""
        if self._admitted is not _STORAGES or not isinstance(identity, tuple):
            raise TypeError("an identity where none is expected")
        kind, storage, _, _, count, view = identity
        if kind != "storage" or not isinstance(storage, _Name) or view is not None:
            raise TypeError("an identity of something else than a storage")
        return _Storage(_DTYPES[storage._name], _count(count))


def read_pickled(file: Path, progress: Callable[[int], object] = lambda count: None) -> object:
    """Read a pickle of protocol 3, 4 or 5.

    Args:
        file: The pickle; all of it is held in memory.
        progress: A function that is called now and then with the number of bytes read since its last call.

    Returns:
        Dictionaries, lists, tuples, strings, bytes, numbers and `StoredArray`, as the file nests them.

    Raises:
        InputError: The file is cut off, is no pickle, or names anything that is no part of numbers and strings; the
            message has the name, and nothing was run.
    """
    content = read_bytes(file)
    try:
        if content[:6] == b"\x93NUMPY" or content[:2] == b"PK":
            kind = "numpy's own format" if content[:1] == b"\x93" else "a zip file, as torch.save writes"
            raise _RefusedError(f"is {kind}, expected a pickle of a dictionary")
        if content[:1] != b"\x80" or not 3 <= content[1] <= 5:
            raise _RefusedError("is not a pickle of protocol 3, 4 or 5 (cut off, or a web page in its place?)")
        return _unpickle(io.BytesIO(content), _ARRAYS, progress)
    except _RefusedError as error:
        raise InputError(f"{file}: {error}") from error
    except (LookupError, ValueError, TypeError, AttributeError, pickle.UnpicklingError, struct.error) as error:
        raise InputError(f"{file}: damaged: its instructions make no sense ({type(error).__name__})") from error


def _unpickle(
    file: io.BytesIO, admitted: dict[str, _Name], progress: Callable[[int], object] = lambda count: None
) -> object:
    start = file.tell()
    _walk(file, progress)
    file.seek(start)
    return _Unpickler(file, admitted).load()


def _walk(file: io.BytesIO, progress: Callable[[int], object]) -> None:
    """Refuse a pickle with an unknown instruction, endless nesting, a memo with gaps or a missing end; runs nothing."""
    start, reported = file.tell(), 0
    height, remembered = 0, 0
    marks: list[int] = []
    try:
        for instruction, argument, position in pickletools.genops(file):
            if instruction.name not in _INSTRUCTIONS:
                code = instruction.code.encode("latin-1")
                raise _RefusedError(
                    f"has the instruction {code!r} at byte {position},"
                    " which no file of arrays and strings has; nothing of it was run"
                )
            before, after = instruction.stack_before, instruction.stack_after
            if pickletools.markobject in after:
                marks.append(height)
            elif pickletools.markobject in before:
                height = marks.pop() - before.index(pickletools.markobject) + len(after)
            else:
                height += len(after) - len(before)
            if max(height, len(marks)) > _DEEPEST:
                raise _RefusedError("is nested too deeply for a file of arrays and strings")
            if instruction.name in ("MEMOIZE", "BINPUT", "LONG_BINPUT"):
                if isinstance(argument, int) and argument > remembered:
                    raise ValueError("a memo with gaps")
                remembered += 1
            if position is not None and position - start - reported >= _STEP:
                progress(position - start - reported)
                reported = position - start
    except ValueError as error:
        cut = ("not enough data", "bytes in a", "pickle exhausted", "only", "no newline")
        raise _RefusedError("is cut off") if any(words in str(error) for words in cut) else error from error
    progress(file.tell() - start - reported)


def _filled(content: object, dtype: object, shape: object, *, by_column: bool) -> StoredArray:
    """The array that numpy describes in a pickle; raises `TypeError` if the description makes no sense."""
    if not isinstance(content, bytes | bytearray) or not isinstance(dtype, _Dtype):
        raise TypeError("an array without numbers")
    if by_column:
        raise _RefusedError("has an array that is stored by columns; save it with numpy.ascontiguousarray")
    name, counts = f"{dtype.order}{dtype.code}", _counts(shape)
    expected = int(dtype.code[1]) * math.prod(counts)
    if expected != len(content):
        raise _RefusedError(f"has an array {counts} of {len(content)} bytes, expected {expected}")
    return StoredArray(name, np.frombuffer(content, name).reshape(counts))


def _empty_array(kind: object, *_: object) -> StoredArray:
    """The array without numbers that numpy's `_reconstruct` makes; `StoredArray.__setstate__` fills it later."""
    if kind is not _ARRAYS["numpy.ndarray"]:
        raise TypeError("an array of another kind")
    return StoredArray()


def _array_from_buffer(content: object, dtype: object, shape: object, order: object) -> StoredArray:
    return _filled(content, dtype, shape, by_column=order != "C")


def _storage(content: object) -> _Storage:
    """A storage in torch's old format: five pickles, the count of the numbers, the numbers."""
    if not isinstance(content, bytes | bytearray):
        raise TypeError("a storage without content")
    file = io.BytesIO(content)
    magic, version, system, announced, _ = (_unpickle(file, _STORAGES) for _ in range(5))
    little = isinstance(system, dict) and system.get("little_endian") is True
    if (magic, version) != (_MAGIC, _FORMAT) or not little or not isinstance(announced, _Storage):
        raise _RefusedError("has a tensor of an unknown format")
    [count] = struct.unpack("<q", file.read(8))
    dtype = "<u2" if announced.dtype == "bf16" else announced.dtype
    remaining = len(content) - file.tell()
    if count != announced.count or remaining != count * np.dtype(dtype).itemsize:
        raise _RefusedError("has a tensor whose numbers are not all there")
    return _Storage(announced.dtype, count, np.frombuffer(content, dtype, offset=file.tell()))


def _tensor(storage: object, offset: object, size: object, stride: object, *_: object) -> StoredArray:
    if not isinstance(storage, _Storage) or storage.values is None:
        raise TypeError("a tensor without a storage")
    shape, steps, first = _counts(size), _counts(stride), _count(offset)
    count = 1
    for length, step in reversed(list(zip(shape, steps, strict=True))):
        if length != 1 and step != count:
            raise _RefusedError("has a tensor that is not contiguous; save it with .contiguous()")
        count *= length
    if first + count > storage.count:
        raise _RefusedError("has a tensor that reaches beyond its numbers")
    return StoredArray(storage.dtype, storage.values[first : first + count].reshape(shape))


def _empty_dictionary(*arguments: object) -> dict[str, object]:
    if arguments:
        raise TypeError("a dictionary with content")
    return {}


def _count(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise TypeError("a count that is no whole number, or negative")
    return value


def _counts(values: object) -> tuple[int, ...]:
    if not isinstance(values, tuple):
        raise TypeError("a shape that is no tuple")
    return tuple(_count(value) for value in values)


_ARRAYS = {
    name: _Name(name, rebuild)
    for name, rebuild in {
        **{f"{numpy}.multiarray._reconstruct": _empty_array for numpy in ("numpy.core", "numpy._core")},
        **{f"{numpy}.numeric._frombuffer": _array_from_buffer for numpy in ("numpy.core", "numpy._core")},
        "numpy.ndarray": None,
        "numpy.dtype": _Dtype,
        "collections.OrderedDict": _empty_dictionary,
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch.storage._load_from_bytes": _storage,
    }.items()
}
"""The names that a pickle may use, each with its stand-in."""
_STORAGES = {f"torch.{name}": _Name(name, None) for name in _DTYPES}
"""The names that the pickles inside a storage of torch may use, each with its stand-in."""
