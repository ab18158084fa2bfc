"""Data sets: readers of the official files. A data set knows no model and no metric.

A reader's module has `load(folder, split, options)`, which returns a `Dataset`, and `context(name)`, which parses the
name of a context and raises `InputError` for an unknown name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

from gill_bench.cards.find import Value
from gill_bench.cards.registry import registered
from gill_bench.interfaces import OutputKind

GROUP = "gill_bench.datasets"
BUILTIN = {
    "cc3m": "gill_bench.datasets.cc3m",
    "coco-captions": "gill_bench.datasets.coco_captions",
    "coco-pairs": "gill_bench.datasets.coco_pairs",
    "partiprompts": "gill_bench.datasets.partiprompts",
    "prompts": "gill_bench.datasets.prompts",
    "sis": "gill_bench.datasets.sis",
    "timing": "gill_bench.datasets.timing",
    "visdial": "gill_bench.datasets.visdial",
    "visdial-answers": "gill_bench.datasets.visdial_answers",
    "visdial-retrieval": "gill_bench.datasets.visdial_retrieval",
    "vqa": "gill_bench.datasets.vqa",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture by its id in the data set.

    Attributes:
        id: The picture's id.
        file: The picture's file; None where the data folder does not have it.
        blank: Whether a model is shown a grey picture of the same size instead (`gill_bench.datasets.controls`).
    """

    id: str
    file: Path | None
    blank: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """One step of an example: a caption or a dialog round, with the picture that belongs to it, if any."""

    text: str
    picture: Picture | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One thing that a task asks a model about, such as a story, a dialog or a question.

    Attributes:
        id: The id in the data set, which is stable and unique, such as the story id.
        cluster: The name of the cluster. Examples of one cluster are not independent (stories of one photo sequence).
        turns: The captions or rounds, in order.
        target: The reference picture, or None.
        answers: The reference texts (captions, annotators' answers), or the texts that are ranked, in the file's order.
        facts: Values that a metric needs or groups by, such as {"answer_type": "yes/no"}; never given to a model.
        donor: The example whose parts stand in a control context in place of this one's; None where no planned context
            needs one, or no other example is fit (`gill_bench.datasets.donors`). Readers leave it out.
    """

    id: str
    cluster: str
    turns: tuple[Turn, ...]
    target: Picture | None = None
    answers: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    donor: Example | None = None

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Every picture of the example, the target last."""
        own = [turn.picture for turn in self.turns if turn.picture is not None and turn.picture != self.target]
        return (*own, self.target) if self.target is not None else tuple(own)


class Context(Protocol):
    """How much of an example a model is given; the built-in ones are in `gill_bench.datasets.contexts`."""

    @property
    def name(self) -> str:
        """The canonical name, such as `5-captions-4-images`."""

    @property
    def inputs(self) -> frozenset[str]:
        """The kinds of segments in a prompt: "text", "image"."""

    @property
    def asks(self) -> OutputKind | None:
        """The output kind that a model is asked for; None for the usual one of the task's capability."""

    def segments(self, example: Example, prompt: Mapping[str, Value]) -> tuple[str | Picture, ...]:
        """The prompt of an example, in reading order.

        Args:
            example: The example.
            prompt: The `[prompt]` table of the task's card.
        """


@dataclass(frozen=True, slots=True)
class Dataset:
    """The examples of one split.

    Attributes:
        examples: The examples, in the order of the data set.
        require_all_pictures: Whether an example counts only if all its pictures are there, whatever the context needs.
        candidates: The pictures among which retrieval searches; those whose file is missing do not take part.
        references: The pictures whose distribution generated ones are compared with (FID); those whose file is missing
            do not take part.
        warnings: Sentences for the user about oddities of the data.
    """

    examples: Sequence[Example]
    require_all_pictures: bool = False
    candidates: Sequence[Picture] = ()
    references: Sequence[Picture] = ()
    warnings: tuple[str, ...] = field(default=())


class DatasetModule(Protocol):
    """The functions of a reader's module.

    It may also list the settings that it reads from a task card, as `OPTIONS` and `PROMPT`
    (`gill_bench.datasets.options`), and have a function `picture_addresses(folder, split)`, with which pictures are
    downloaded one by one (`gill_bench.datasets.addresses`).
    """

    def load(self, folder: Path, split: str, options: Mapping[str, Value]) -> Dataset:
        """Read a split.

        Raises:
            InputError: A file is absent or malformed; names file, record and field.
        """

    def context(self, name: str) -> Context:
        """Parse a context's name.

        Raises:
            InputError: The data set has no context of this name.
        """


def dataset(name: str) -> DatasetModule:
    """The reader of a registered name: built in, or of an entry point in the group `gill_bench.datasets`."""
    return cast(DatasetModule, registered("data set format", name, BUILTIN, GROUP))
