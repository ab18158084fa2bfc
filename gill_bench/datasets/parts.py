"""The parts of a prompt: captions, rounds, questions and pictures, before they are joined to what a model is given.

A context that lists its parts can be asked with one of them replaced, dropped or moved. The built-in ones do; of a
context that gives segments alone, each segment is a part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from gill_bench.cards.find import Value
from gill_bench.datasets import Context, Example, Picture
from gill_bench.interfaces import OutputKind

PartKind = Literal["caption", "round", "question", "text", "picture"]
"""A kind of part; "text" is a text of a context that does not say more of its texts."""


class Part(NamedTuple):
    """One part of a prompt.

    Attributes:
        kind: The kind of part.
        content: The text as it stands in the data set, not worded yet, or the picture.
    """

    kind: PartKind
    content: str | Picture


def blanked(part: Part) -> Part:
    """A part with a grey picture of the same size in place of its picture; a text as it is."""
    return part if isinstance(part.content, str) else part._replace(content=replace(part.content, blank=True))


@runtime_checkable
class ContextInParts(Context, Protocol):
    """A context that lists the parts of its prompts."""

    @property
    def counts(self) -> Mapping[PartKind, int]:
        """How many parts of each kind a prompt has at most."""

    def parts(self, example: Example, prompt: Mapping[str, Value]) -> tuple[Part, ...]:
        """The parts of an example's prompt, in reading order."""

    def join(self, parts: Sequence[Part], prompt: Mapping[str, Value]) -> tuple[str | Picture, ...]:
        """The segments that a model is given for some parts; () if nothing is left."""


class InParts:
    """The base of a context whose segments are its parts, joined."""

    __slots__ = ()

    def parts(self, example: Example, prompt: Mapping[str, Value]) -> tuple[Part, ...]:
        """The parts of an example's prompt, in reading order."""
        raise NotImplementedError

    def join(self, parts: Sequence[Part], prompt: Mapping[str, Value]) -> tuple[str | Picture, ...]:
        """Each part as a segment of its own."""
        return tuple(part.content for part in parts)

    def segments(self, example: Example, prompt: Mapping[str, Value]) -> tuple[str | Picture, ...]:
        """The prompt of an example, in reading order."""
        return self.join(self.parts(example, prompt), prompt)


def joined_texts(parts: Sequence[Part], separator: str) -> tuple[str | Picture, ...]:
    """The pictures of some parts, then their texts as one, with a separator between them."""
    pictures = [content for _, content in parts if not isinstance(content, str)]
    texts = [content for _, content in parts if isinstance(content, str)]
    return (*pictures, *((separator.join(texts),) if texts else ()))


def in_parts(context: Context) -> ContextInParts:
    """A context with its parts; if it lists none, each segment is one."""
    return context if isinstance(context, ContextInParts) else _SegmentContext(context)


def parts_at_most(context: Context) -> int | None:
    """How many parts a context's prompts have at most; None if the context does not list its parts."""
    return sum(context.counts.values()) if isinstance(context, ContextInParts) else None


@dataclass(frozen=True, slots=True)
class _SegmentContext(InParts):
    context: Context

    @property
    def name(self) -> str:
        return self.context.name

    @property
    def inputs(self) -> frozenset[str]:
        return self.context.inputs

    @property
    def asks(self) -> OutputKind | None:
        return self.context.asks

    @property
    def counts(self) -> Mapping[PartKind, int]:
        kinds: dict[str, PartKind] = {"text": "text", "image": "picture"}
        return {kinds[name]: _UNKNOWN for name in sorted(self.inputs)}

    def parts(self, example: Example, prompt: Mapping[str, Value]) -> tuple[Part, ...]:
        segments = self.context.segments(example, prompt)
        return tuple(Part("text" if isinstance(segment, str) else "picture", segment) for segment in segments)


_UNKNOWN = 1000
"""The greatest number of segments of a context that does not say how many it has."""
