"""Finding arrays and strings in a pickle without running anything of it (protocol 1.9).

What numpy arrays and torch tensors are written with is known here; an array is the place of its numbers in the file. So
a file of gigabytes is read in little memory, and one that names anything else is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gill_bench.errors import InputError
from gill_bench.pickle_machine import Admitted, Arguments, Machine, Named, Payload, RefusedError, as_tuple

SIZES = {"<f2": 2, "<f4": 4, "<f8": 8, ">f2": 2, ">f4": 4, ">f8": 8, "bf16": 2}
"""Bytes of a number, by the dtype of a `StoredArray`."""
_MAGIC, _FORMAT = 0x1950A86A20F9469CFC6C, 1001  # first two values of torch's old format of files
_STEP = 1 << 24  # bytes between two reports of progress


@dataclass(slots=True)
class StoredArray:
    """An array, dense and row by row, that stays where it is in the file.

    Attributes:
        dtype: A key of `SIZES`; "bf16" is little-endian.
        shape: As in numpy.
        offset: Of its first byte in the file.
    """

    dtype: str = ""
    shape: tuple[int, ...] = ()
    offset: int = -1

    def restore(self, state: Arguments) -> None:
        """Take numpy's state of an array."""
        _, shape, dtype, by_column, payload = state
        if self.dtype:
            raise TypeError
        self.fill(payload, dtype, shape, by_column is True)

    def fill(self, payload: object, dtype: object, shape: object, by_column: bool) -> StoredArray:
        """Take what numpy knows of an array; `TypeError` where it makes no sense."""
        if not isinstance(payload, Payload) or not isinstance(dtype, _Dtype):
            raise TypeError
        if by_column:
            raise RefusedError("has an array that is stored by columns; save it with numpy.ascontiguousarray")
        self.dtype, self.shape, self.offset = dtype.name, _counts(shape), payload.offset
        size = SIZES[self.dtype]
        for length in self.shape:
            size *= length
        if size != payload.length:
            raise RefusedError(f"has an array {self.shape} of {payload.length} bytes, expected {size}")
        return self


@dataclass(slots=True)
class _Dtype:
    code: str
    order: str = "<"

    @property
    def name(self) -> str:
        return f"{'>' if self.order == '>' else '<'}{self.code}"

    def restore(self, state: Arguments) -> None:
        self.order = str(state[1])


@dataclass(frozen=True, slots=True)
class _Storage:
    """What tensors of torch are views of."""

    dtype: str
    offset: int
    count: int


def read_pickled(file: Path, progress: Callable[[int], object] = lambda count: None) -> object:
    """Read a pickle of protocol 3, 4 or 5.

    Args:
        file: Of any size.
        progress: Called now and then with the number of bytes read since its last call.

    Returns:
        Made of dictionaries with string keys, lists, tuples, strings, numbers and `StoredArray`.

    Raises:
        InputError: It is cut off, is no pickle, or names anything that is no part of numbers and strings: then the
            message says what, and nothing was run.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            start = opened.peek(6)[:6]
            if start[:6] == b"\x93NUMPY" or start[:2] == b"PK":
                kind = "numpy's own format" if start[:1] == b"\x93" else "a zip file, as torch.save writes"
                raise RefusedError(f"is {kind}, expected a pickle of a dictionary")
            if start[:1] != b"\x80" or not 3 <= start[1] <= 5:
                raise RefusedError("is not a pickle of protocol 3, 4 or 5 (cut off, or a web page in its place?)")
            reported = 0
            machine = Machine(opened, size, ADMITTED)
            for _ in machine.steps():
                if opened.tell() - reported >= _STEP:
                    progress(opened.tell() - reported)
                    reported = opened.tell()
            progress(size - reported)
            return machine.result
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file") from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from error
    except RefusedError as error:
        raise InputError(f"{file}: {error}") from error
    except (IndexError, ValueError, TypeError, AttributeError, KeyError, struct.error) as error:
        raise InputError(f"{file}: damaged: its instructions make no sense ({type(error).__name__})") from error


def _array(_: Machine, arguments: Arguments) -> StoredArray:
    """An array of numpy, still empty."""
    if not isinstance(arguments[0], Named) or arguments[0].name != "numpy.ndarray":
        raise TypeError
    return StoredArray()


def _array_from_buffer(_: Machine, arguments: Arguments) -> StoredArray:
    payload, dtype, shape, order = arguments
    return StoredArray().fill(payload, dtype, shape, order != "C")


def _dtype(_: Machine, arguments: Arguments) -> _Dtype:
    if arguments[0] not in ("f2", "f4", "f8"):
        raise RefusedError(f"has an array of type {str(arguments[0])[:20]!r}, expected floating point numbers")
    return _Dtype(str(arguments[0]))


def _dictionary(_: Machine, arguments: Arguments) -> dict[str, object]:
    if arguments:
        raise TypeError
    return {}


def _storage(machine: Machine, arguments: Arguments) -> _Storage:
    """A storage of torch in its old format: five pickles, a count, the numbers."""
    [payload] = arguments
    if not isinstance(payload, Payload):
        raise TypeError
    file = machine.file
    here, end = file.tell(), payload.offset + payload.length
    file.seek(payload.offset)
    magic, version, system, storage, _ = (Machine(file, end, _STORAGES, _persistent).run() for _ in range(5))
    little = isinstance(system, dict) and system.get("little_endian") is True
    if (magic, version) != (_MAGIC, _FORMAT) or not little or not isinstance(storage, _Storage):
        raise RefusedError(f"has a tensor of an unknown format at byte {payload.offset}")
    [count] = struct.unpack("<q", file.read(8))
    offset = file.tell()
    if count != storage.count or offset + count * SIZES[storage.dtype] != end:
        raise RefusedError(f"has a tensor at byte {payload.offset} whose numbers are not all there")
    file.seek(here)
    return _Storage(storage.dtype, offset, count)


def _persistent(identity: Arguments) -> _Storage:
    """What torch calls ("storage", type, key, device, count, view)."""
    kind, storage, _, _, count, view = identity
    if kind != "storage" or not isinstance(storage, Named) or view is not None:
        raise TypeError
    return _Storage(_DTYPES[storage.name], -1, _count(count))


def _tensor(_: Machine, arguments: Arguments) -> StoredArray:
    storage, offset, size, stride = arguments[:4]
    if not isinstance(storage, _Storage):
        raise TypeError
    shape, steps, first = _counts(size), _counts(stride), _count(offset)
    count = 1
    for length, step in reversed(list(zip(shape, steps, strict=True))):
        if length != 1 and step != count:
            raise RefusedError("has a tensor that is not contiguous; save it with .contiguous()")
        count *= length
    if first + count > storage.count:
        raise RefusedError("has a tensor that reaches beyond its numbers")
    return StoredArray(storage.dtype, shape, storage.offset + first * SIZES[storage.dtype])


def _never(_: Machine, arguments: Arguments) -> object:
    """Stands for types, which are named and not called."""
    raise TypeError


def _count(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise TypeError
    return value


def _counts(value: object) -> tuple[int, ...]:
    return tuple(_count(item) for item in as_tuple(value))


_NUMPY = ("numpy.core", "numpy._core")
ADMITTED: Admitted = {
    **{(f"{package}.multiarray", "_reconstruct"): _array for package in _NUMPY},
    **{(f"{package}.numeric", "_frombuffer"): _array_from_buffer for package in _NUMPY},
    ("numpy", "ndarray"): _never,
    ("numpy", "dtype"): _dtype,
    ("collections", "OrderedDict"): _dictionary,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch.storage", "_load_from_bytes"): _storage,
}
"""All that a pickle may name, by module and name, and what stands in for it."""
_DTYPES = {
    "torch.BFloat16Storage": "bf16",
    "torch.HalfStorage": "<f2",
    "torch.FloatStorage": "<f4",
    "torch.DoubleStorage": "<f8",
}
_STORAGES: Admitted = {(module, kind): _never for module, _, kind in (name.partition(".") for name in _DTYPES)}
