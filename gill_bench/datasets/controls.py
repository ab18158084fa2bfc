"""Control contexts: a context whose parts are replaced, blanked, left out or moved, to see what they are worth.

`5-captions-4-images@foreign-images` is `5-captions-4-images` with the pictures of another story. The part of the name
after the "@" is the control:

- `foreign-images`: each picture is replaced by that of the example's donor in the same position
  (`gill_bench.datasets.donors`); likewise `foreign-captions`, `foreign-rounds`, `foreign-question`.
- `shuffled`: captions change places with captions, rounds with rounds, pictures with pictures; each kind by a
  permutation of its own that is drawn from the example's id and is never the identity. Which places are those of
  pictures stays as it is.
- `blank-images`: each picture is replaced by a grey one of the same size.
- `no-images`: the pictures are left out; likewise `no-captions`, `no-rounds`, `no-question` where pictures are left.

Where a context has one picture, it is `foreign-image`, `blank-image`, `no-image`. An example in which a control changes
nothing, such as a dialog of one round that is to be shuffled, is not asked in it. Targets, answers, clusters and noise
are those of the example itself, so that every control is paired with its plain context.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Literal

from gill_bench.cards.find import Value
from gill_bench.datasets import Context, DatasetModule, Example, Picture
from gill_bench.datasets.parts import ContextInParts, Part, PartKind, blanked, in_parts
from gill_bench.errors import InputError, did_you_mean
from gill_bench.interfaces import OutputKind

MARK = "@"
"""The character between the name of a plain context and that of a control."""
LIST = "controls"
"""The name of the list of contexts on a task's card that belong together to measure the use of context."""
Change = Literal["foreign", "shuffled", "blank", "no"]
_DOMAIN = "gill-bench/shuffled/1"


@dataclass(frozen=True, slots=True)
class ControlContext:
    """A plain context with a control.

    Attributes:
        plain: The context without the control.
        change: What is done to its parts.
        kind: The kind of parts that are changed; None where all kinds are ("shuffled").
    """

    plain: Context
    change: Change
    kind: PartKind | None = None

    @property
    def name(self) -> str:
        """The canonical name, such as `5-captions-4-images@foreign-images`."""
        counts = in_parts(self.plain).counts
        return f"{self.plain.name}{MARK}{_control_name(self.change, self.kind, counts)}"

    @property
    def asks(self) -> OutputKind | None:
        """The output kind of the plain context."""
        return self.plain.asks

    @property
    def inputs(self) -> frozenset[str]:
        """The kinds of segments in a prompt."""
        if self.change != "no":
            return self.plain.inputs
        others = [kind for kind in in_parts(self.plain).counts if kind not in ("picture", self.kind)]
        gone = {"image"} if self.kind == "picture" else {"text"} if not others else set()
        return self.plain.inputs - gone

    def segments(self, example: Example, prompt: Mapping[str, Value]) -> tuple[str | Picture, ...]:
        """The prompt of an example that can be asked with this control: its `problem` is empty."""
        context = in_parts(self.plain)
        return context.join(self._changed(context, example, prompt), prompt)

    def problem(self, example: Example, prompt: Mapping[str, Value]) -> str:
        """The reason why an example cannot be asked with this control, or ""."""
        context = in_parts(self.plain)
        parts = context.parts(example, prompt)
        if self.change == "shuffled":
            distinct = {(part.kind, part.content) for part in parts}
            if len(distinct) > len({part.kind for part in parts}):
                return ""
            return "it has no two parts of one kind whose order could be changed"
        words = f"{self.kind}s"
        number = sum(part.kind == self.kind for part in parts)
        if not number:
            return f"it has no {words}"
        if self.change == "no" and not self.segments(example, prompt):
            return f"nothing is left of its prompt without {words}"
        if self.change == "foreign":
            if example.donor is None:
                return f"there is no example of another cluster that shares no picture with it, to take {words} from"
            if sum(part.kind == self.kind for part in context.parts(example.donor, prompt)) < number:
                return f"its donor, {example.donor.id}, has fewer {words}"
        return ""

    def _changed(self, context: ContextInParts, example: Example, prompt: Mapping[str, Value]) -> list[Part]:
        parts = list(context.parts(example, prompt))
        if self.change == "no":
            return [part for part in parts if part.kind != self.kind]
        if self.change == "blank":
            return [blanked(part) for part in parts]
        if self.change == "shuffled":
            for kind in dict.fromkeys(part.kind for part in parts):
                own = [part for part in parts if part.kind == kind]
                parts = _with(parts, kind, [own[position] for position in shuffled(example.id, own)])
            return parts
        assert example.donor is not None
        return _with(
            parts, self.kind, [part for part in context.parts(example.donor, prompt) if part.kind == self.kind]
        )


def parse_context(reader: DatasetModule, name: str) -> Context:
    """The context of a name, with or without a control.

    Args:
        reader: The data set's module, which knows the plain contexts.
        name: Such as `5-captions-4-images@foreign-images`; of a control's last word, singular and plural are the same.

    Raises:
        InputError: There is no such context, or the context has no such control.
    """
    plain_name, mark, control = name.partition(MARK)
    plain = reader.context(plain_name)
    if not mark:
        return plain
    controls = {context.name.partition(MARK)[2]: context for context in controls_of(plain)}
    known = {**{_plural(key): context for key, context in controls.items()}, **controls}
    if control not in known and _plural(control) not in known:
        raise InputError(
            f"context {name!r}: {plain.name} has no control {control!r}; {did_you_mean(control, controls)}"
        )
    return known.get(control) or known[_plural(control)]


def controls_of(plain: Context) -> list[ControlContext]:
    """The controls of a plain context."""
    counts = in_parts(plain).counts
    changes: list[tuple[Change, PartKind | None]] = [("foreign", kind) for kind in counts]
    if any(count > 1 for count in counts.values()):
        changes.append(("shuffled", None))
    if "picture" in counts:
        changes += [("blank", "picture"), *(("no", kind) for kind in counts)]
    return [ControlContext(plain, change, kind) for change, kind in changes]


def plain_name(name: str) -> str:
    """The name of a context without its control.

    >>> plain_name("5-captions-4-images@foreign-images"), plain_name("5-captions")
    ('5-captions-4-images', '5-captions')
    """
    return name.partition(MARK)[0]


def plain_of(context: Context) -> Context:
    """A context without its control."""
    return context.plain if isinstance(context, ControlContext) else context


def needs_donors(context: Context) -> bool:
    """Whether prompts in a context have parts of other examples."""
    return isinstance(context, ControlContext) and context.change == "foreign"


def shuffled(name: str, parts: Sequence[Part]) -> list[int]:
    """The order in which parts of one kind stand in a shuffled prompt: never that in which they stood.

    Args:
        name: The example's id, on which alone the order depends, but for orders in which the same texts or pictures
            would come in the same sequence: the next one is taken then.
        parts: The parts.

    Returns:
        For each position the number of the part that comes to stand there; the identity where all parts are the same.
    """
    same = list(range(len(parts)))
    if len({part.content for part in parts}) < 2:
        return same

    def lot(attempt: int, position: int) -> bytes:
        drawn = f"{_DOMAIN}/{attempt}/{parts[position].kind}/{position}/{name}"
        return hashlib.sha256(drawn.encode()).digest()

    orders = (sorted(same, key=partial(lot, attempt)) for attempt in count())
    return next(
        order
        for order in orders
        if any(parts[position].content != part.content for position, part in zip(order, parts, strict=True))
    )


def _with(parts: Sequence[Part], kind: PartKind | None, others: Sequence[Part]) -> list[Part]:
    """The parts, with those of one kind replaced in their order."""
    following = iter(others)
    return [next(following) if part.kind == kind else part for part in parts]


def _control_name(change: Change, kind: PartKind | None, counts: Mapping[PartKind, int]) -> str:
    """The name of a control, such as `foreign-image` in a context with one picture."""
    if kind is None:
        return change
    word = "image" if kind == "picture" else kind
    return f"{change}-{word}{'s' * (counts[kind] > 1)}"


def _plural(control: str) -> str:
    return control if control == "shuffled" or control.endswith("s") else f"{control}s"
