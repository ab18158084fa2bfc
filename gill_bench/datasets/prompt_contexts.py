"""The contexts of data sets of one's own (`format = "prompts"`): which texts and pictures of an example a prompt takes.

The parts of an example stand in the order of its file. A context takes all of them, those of one kind, or the last few
of each kind; they keep their order. An example that has fewer parts than a context takes is asked with those it has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gill_bench.cards.find import Value
from gill_bench.datasets import Example, Picture, Turn
from gill_bench.datasets.contexts import CAPTION_JOIN, caption_segments
from gill_bench.datasets.options import Text, Wording
from gill_bench.datasets.parts import InParts, Part, PartKind
from gill_bench.errors import InputError, did_you_mean
from gill_bench.interfaces import OutputKind

QUESTION_PROMPT = Wording("question_prompt", {"plain": "{}", "dialog": "Q: {}\nA:", "magma": "Q: {} A:"})
"""The wording of the last text of a prompt, where `{}` stands for the text; by default the text alone."""
CAPTION_PROMPT = Text("caption_prompt", "")
"""The text that ends every prompt, such as "A picture of" after a picture that is to be captioned; by default none."""
PROMPT = (CAPTION_JOIN, QUESTION_PROMPT, CAPTION_PROMPT)
_MOST = 1000
"""The number of parts of a kind in the name of a context is below this one, which stands for all parts."""
_KINDS = {"texts": (_MOST, 0), "images": (0, _MOST), "full": (_MOST, _MOST)}
_GRAMMAR = re.compile(r"([1-9][0-9]{0,2})-texts?(?:-([1-9][0-9]{0,2})-images?)?|([1-9][0-9]{0,2})-images?")


def turns_of(parts: Sequence[str | Picture], target: Picture | None) -> tuple[Turn, ...]:
    """The parts of an example as turns; a target has a turn of its own at the end, as the last picture of a story has.

    >>> [turn.text for turn in turns_of(["a", "b"], None)], len(turns_of(["a"], Picture("p", None)))
    (['a', 'b'], 2)
    """
    turns: list[Turn] = []
    for part in parts:
        if isinstance(part, str):
            turns.append(Turn(part))
        elif turns and turns[-1].picture is None:
            turns[-1] = Turn(turns[-1].text, part)
        else:
            turns.append(Turn("", part))
    return (*turns, *([Turn("", target)] if target is not None else []))


@dataclass(frozen=True, slots=True)
class LastParts(InParts):
    """The last texts and the last pictures of an example, in its order.

    Attributes:
        texts: The number of texts; `_MOST` for all, 0 for none.
        images: The number of pictures, likewise.
        asks: None: the capability of the task says what a model is asked for.
    """

    texts: int
    images: int
    asks: OutputKind | None = None

    @property
    def name(self) -> str:
        """The canonical name.

        >>> LastParts(_MOST, _MOST).name, LastParts(1, 0).name, LastParts(3, 2).name, LastParts(0, 1).name
        ('full', '1-text', '3-texts-2-images', '1-image')
        """
        for name, numbers in _KINDS.items():
            if numbers == (self.texts, self.images):
                return name
        words = (("text", self.texts), ("image", self.images))
        return "-".join(f"{number}-{word}{'s' * (number != 1)}" for word, number in words if number)

    @property
    def inputs(self) -> frozenset[str]:
        """The kinds of segments in a prompt."""
        return frozenset(kind for kind, number in (("text", self.texts), ("image", self.images)) if number)

    @property
    def counts(self) -> Mapping[PartKind, int]:
        """How many parts of each kind a prompt has at most; `_MOST` where it takes all."""
        kinds: list[tuple[PartKind, int]] = [("text", self.texts), ("picture", self.images)]
        return {kind: number for kind, number in kinds if number}

    def parts(self, example: Example, prompt: Mapping[str, Value]) -> tuple[Part, ...]:
        """The last texts and pictures in the order of the example."""
        own = example.turns[:-1] if example.target is not None else example.turns
        parts: list[Part] = []
        for turn in own:
            parts += [Part("text", turn.text)] if turn.text else []
            parts += [Part("picture", turn.picture)] if turn.picture is not None else []
        left: dict[PartKind, int] = {"text": self.texts, "picture": self.images}
        kept = []
        for part in reversed(parts):
            if left[part.kind]:
                left[part.kind] -= 1
                kept.append(part)
        return tuple(reversed(kept))

    def join(self, parts: Sequence[Part], prompt: Mapping[str, Value]) -> tuple[str | Picture, ...]:
        """The parts as segments: the last text worded, texts without a picture between them as `CAPTION_JOIN` says."""
        if not parts:
            return ()
        contents = [content for _, content in parts]
        last = max((number for number, content in enumerate(contents) if isinstance(content, str)), default=-1)
        if last >= 0:
            contents[last] = QUESTION_PROMPT.word(prompt, str(contents[last]))
        ending = CAPTION_PROMPT.of(prompt)
        return caption_segments([*contents, ending] if ending else contents, prompt)


def last_parts(name: str) -> LastParts:
    """Parse `full`, `texts`, `images`, `{n}-texts`, `{m}-images` or `{n}-texts-{m}-images`, n and m from 1 to 999.

    Raises:
        InputError: The name is not of this form.
    """
    if name in _KINDS:
        return LastParts(*_KINDS[name])
    match = _GRAMMAR.fullmatch(name)
    if match is None:
        near = [*_KINDS, *(LastParts(n, m).name for n in range(4) for m in range(4) if n or m)]
        raise InputError(
            f"unknown context {name!r}: expected full, texts, images, {{n}}-texts, {{m}}-images or"
            f" {{n}}-texts-{{m}}-images (the last n texts and m pictures), n and m from 1 to {_MOST - 1};"
            f" {_nearest(name, near)}"
        )
    return LastParts(int(match[1] or 0), int(match[2] or match[3] or 0))


def _nearest(name: str, near: Sequence[str]) -> str:
    hint = did_you_mean(name, near)
    return hint if hint.endswith("?") else "such as full"
