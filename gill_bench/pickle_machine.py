"""The instructions of a pickle, of which none runs anything that the file names.

Python's own unpickler calls what a file names. This one knows a few names and does something of its own in their place;
everything else is refused. Bytes are passed over: what matters is where they are.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol, runtime_checkable

Arguments = tuple[object, ...]
Admitted = Mapping[tuple[str, str], Callable[["Machine", Arguments], object]]


_DEEPEST = 100_000  # values at a time; pickles put down at most 1,000 items before they are taken into a list


class RefusedError(Exception):
    """The file is not what is read here; the message goes behind its name."""


@dataclass(frozen=True, slots=True)
class Payload:
    """Bytes that were passed over, by their place in the file."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Named:
    """What a name in the file stands for."""

    name: str
    rebuild: Callable[[Machine, Arguments], object]


@runtime_checkable
class Restorable(Protocol):
    """What a file may give a state to."""

    def restore(self, state: Arguments) -> None:
        """Take a state."""


class _Gone:
    """Stands in the memo for what is never asked for twice in such files and would fill the memory."""


_GONE = _Gone()


class Machine:
    """The stack of a pickle.

    Args:
        file: Read from where it stands.
        end: First byte that is not part of it.
        admitted: What it may name, and what is done in its place.
        persistent: What is done for what it refers to by an identity; None = it may not.
    """

    def __init__(
        self,
        file: BinaryIO,
        end: int,
        admitted: Admitted,
        persistent: Callable[[Arguments], object] | None = None,
    ) -> None:
        self.file = file
        self._end = end
        self._admitted = admitted
        self._persistent = persistent
        self._stack: list[object] = []
        self._marks: list[list[object]] = []
        self._memo: list[object] = []
        self._plain: dict[tuple[object, ...], tuple[object, ...]] = {}
        self.result: object = None

    def steps(self) -> Iterator[None]:
        """Run until the end; stops now and then for progress."""
        read, table, number = self.file.read, _INSTRUCTIONS, 0
        while (code := read(1)) != b".":
            instruction = table.get(code)
            if instruction is None:
                raise RefusedError(
                    "is cut off"
                    if not code
                    else f"has the instruction {code!r} at byte {self.file.tell() - 1},"
                    " which no file of arrays and strings has; nothing of it was run"
                )
            instruction(self)
            number += 1
            if not number % 10_000:
                yield
        [self.result] = self._stack
        if self._marks:
            raise RefusedError("is damaged: something in it is begun and never ended")

    def run(self) -> object:
        """Run until the end."""
        for _ in self.steps():
            pass
        return self.result

    # What instructions need.

    def _take(self, count: int) -> bytes:
        data = self.file.read(count)
        if len(data) < count or self.file.tell() > self._end:
            raise RefusedError("is cut off")
        return data

    def _number(self, form: str) -> int:
        value: int = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return value

    def _push(self, value: object) -> None:
        if len(self._stack) >= _DEEPEST:
            raise RefusedError("is nested too deeply for a file of arrays and strings")
        self._stack.append(value)

    def _text(self, count: int) -> None:
        if count > self._end - self.file.tell():
            raise RefusedError("is cut off")
        self._push(self._take(count).decode())

    def _payload(self, count: int) -> None:
        offset = self.file.tell()
        if count > self._end - offset:
            raise RefusedError("is cut off")
        self.file.seek(offset + count)
        self._push(Payload(offset, count))

    def _mark(self) -> None:
        if len(self._marks) >= _DEEPEST:
            raise RefusedError("is nested too deeply for a file of arrays and strings")
        self._marks.append(self._stack)
        self._stack = []

    def _marked(self) -> list[object]:
        items, self._stack = self._stack, self._marks.pop()
        return items

    def _tuple_of(self, count: int) -> None:
        items = tuple(self._stack[-count:])
        if len(items) < count:
            raise IndexError
        self._stack[-count:] = [items]

    def _extend(self, items: list[object]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise TypeError
        target.extend(items)

    def _set_items(self, items: list[object]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2 or not all(isinstance(key, str) for key in items[::2]):
            raise TypeError
        target.update(zip(items[::2], items[1::2], strict=True))

    def _remember(self, place: int) -> None:
        if place > len(self._memo):
            raise IndexError
        value = self._stack[-1]
        if isinstance(value, tuple):
            # Shapes and strides: one of each kind. Arguments of what rebuilds an array: never asked for again.
            plain = all(isinstance(item, (int, str)) for item in value)
            value = self._plain.setdefault(value, value) if plain else _GONE
        elif isinstance(value, dict) or (isinstance(value, Payload) and value.length > 1):
            value = _GONE
        if place < len(self._memo):
            self._memo[place] = value
        else:
            self._memo.append(value)

    def _memoize(self) -> None:
        self._remember(len(self._memo))

    def _recall(self, place: int) -> None:
        value = self._memo[place]
        if value is _GONE:
            raise RefusedError(f"uses something twice at byte {self.file.tell()}, which only damaged files do")
        self._push(value)

    def _name(self, module: object, name: object) -> None:
        rebuild = self._admitted.get((str(module), str(name)))
        if rebuild is None:
            raise RefusedError(
                f"names {module}.{name} at byte {self.file.tell()}, which is no part of arrays and strings and may be"
                " code;\nrefused, nothing of it was run. Get the file from its authors again, or make it anew"
            )
        self._push(Named(f"{module}.{name}", rebuild))

    def _line(self) -> str:
        data = self.file.readline(1000)
        if not data.endswith(b"\n"):
            raise RefusedError("is cut off")
        return data[:-1].decode()

    def _named(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._name(module, name)

    def _refer(self) -> None:
        if self._persistent is None:
            raise TypeError
        self._push(self._persistent(as_tuple(self._stack.pop())))

    def _reduce(self) -> None:
        arguments, function = as_tuple(self._stack.pop()), self._stack.pop()
        if not isinstance(function, Named):
            raise TypeError
        self._push(function.rebuild(self, arguments))

    def _build(self) -> None:
        state, target = as_tuple(self._stack.pop()), self._stack[-1]
        if not isinstance(target, Restorable):
            raise TypeError
        target.restore(state)


def as_tuple(value: object) -> Arguments:
    """A value that must be a tuple, else `TypeError`."""
    if not isinstance(value, tuple):
        raise TypeError
    return value


# The instructions of CPython's Lib/pickletools.py that plain data needs, by their codes.
_INSTRUCTIONS: dict[bytes, Callable[[Machine], object]] = {
    b"\x80": lambda m: m._take(1),  # PROTO
    b"\x95": lambda m: m._take(8),  # FRAME
    b"(": Machine._mark,
    b"0": lambda m: m._stack.pop(),
    b"N": lambda m: m._push(None),
    b"\x88": lambda m: m._push(True),
    b"\x89": lambda m: m._push(False),
    b"J": lambda m: m._push(m._number("<i")),
    b"K": lambda m: m._push(m._number("<B")),
    b"M": lambda m: m._push(m._number("<H")),
    b"\x8a": lambda m: m._push(int.from_bytes(m._take(m._number("<B")), "little", signed=True)),
    b"G": lambda m: m._push(struct.unpack(">d", m._take(8))[0]),
    b"X": lambda m: m._text(m._number("<I")),
    b"\x8c": lambda m: m._text(m._number("<B")),
    b"\x8d": lambda m: m._text(m._number("<Q")),
    b"B": lambda m: m._payload(m._number("<I")),
    b"C": lambda m: m._payload(m._number("<B")),
    b"\x8e": lambda m: m._payload(m._number("<Q")),
    b"\x96": lambda m: m._payload(m._number("<Q")),
    b"]": lambda m: m._push([]),
    b"}": lambda m: m._push({}),
    b")": lambda m: m._push(()),
    b"\x85": lambda m: m._tuple_of(1),
    b"\x86": lambda m: m._tuple_of(2),
    b"\x87": lambda m: m._tuple_of(3),
    b"t": lambda m: m._push(tuple(m._marked())),
    b"a": lambda m: m._extend([m._stack.pop()]),
    b"e": lambda m: m._extend(m._marked()),
    b"s": lambda m: m._set_items([m._stack.pop(-2), m._stack.pop()]),
    b"u": lambda m: m._set_items(m._marked()),
    b"q": lambda m: m._remember(m._number("<B")),
    b"r": lambda m: m._remember(m._number("<I")),
    b"\x94": Machine._memoize,
    b"h": lambda m: m._recall(m._number("<B")),
    b"j": lambda m: m._recall(m._number("<I")),
    b"c": lambda m: m._name(m._line(), m._line()),
    b"\x93": Machine._named,
    b"R": Machine._reduce,
    b"b": Machine._build,
    b"Q": Machine._refer,
}
