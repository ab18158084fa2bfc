"""A study with the files of its pictures, and the rules that all sources of pictures share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gill_bench.analysis.annotation.study import SAME, PromptPart, Study, StudyItem
from gill_bench.datasets import Example
from gill_bench.errors import InputError
from gill_bench.progress import say
from gill_bench.storage.names import name_problem


@dataclass(frozen=True, slots=True)
class SidePicture:
    """A picture of one side: its file, and the SHA-256 that the file must have when it is shown."""

    file: Path
    sha256: str


@dataclass(frozen=True)
class StudyMaterial:
    """A study, and the files of its pictures.

    Attributes:
        study: The study.
        pictures: The pictures of the first and the second side, by example.
        prompt_pictures: The files of the pictures in prompts, by their id in the data.
    """

    study: Study
    pictures: Mapping[str, tuple[SidePicture, SidePicture]] = field(repr=False)
    prompt_pictures: Mapping[str, Path] = field(default_factory=dict, repr=False)

    def with_study(self, study: Study) -> StudyMaterial:
        """The same files, with the study as `open_study` gives it."""
        return replace(self, study=study)

    def files(self) -> dict[str, SidePicture]:
        """Every picture that annotators may see, by the name under which they see it."""
        study = self.study
        files = {
            study.picture_name(example, number): picture
            for example, pair in self.pictures.items()
            for number, picture in enumerate(pair)
        }
        used = {part["picture"] for item in study.items for part in item.prompt if not isinstance(part, str)}
        for name in sorted(used & self.prompt_pictures.keys()):
            files[study.prompt_picture_name(name)] = SidePicture(self.prompt_pictures[name], "")
        return files


def material_of(
    study: Study,
    examples: Sequence[tuple[Example, tuple[PromptPart, ...]]],
    pictures: tuple[Mapping[str, SidePicture], Mapping[str, SidePicture]],
    limit: int,
) -> StudyMaterial:
    """The study of all examples of which both sides have a picture.

    Args:
        study: The study, without items.
        examples: The examples of the data with their prompts, in order.
        pictures: The pictures of each side by example.
        limit: At most so many examples, from the first; 0 for all.

    Raises:
        InputError: No example has both pictures, or a side has a name that votes cannot have.
    """
    for side in study.sides:
        if side.name == SAME or name_problem(side.name):
            raise InputError(f"a side of a comparison cannot be called {side.name[:80]!r}; rename it")
    if study.sides[0].name == study.sides[1].name:
        raise InputError(f"both sides are called {study.sides[0].name!r}; compare two different ones")
    both = [(example, prompt) for example, prompt in examples if all(example.id in side for side in pictures)]
    if not both:
        counts = " and ".join(
            f"{sum(example.id in side for example, _ in examples)} of {name.name}"
            for side, name in zip(pictures, study.sides, strict=True)
        )
        ids = ", ".join(example.id for example, _ in examples[:3])
        raise InputError(
            f"no example of {study.task} has two pictures: of {len(examples)} examples there are pictures of {counts};"
            f" files are named after the examples, such as {ids}"
        )
    alone = sum(any(example.id in side for side in pictures) for example, _ in examples) - len(both)
    if alone:
        say(f"{alone} examples have a picture of one side only, and are left out")
    chosen = both[:limit] if limit else both
    pairs = {example.id: (pictures[0][example.id], pictures[1][example.id]) for example, _ in chosen}
    items = tuple(
        StudyItem(
            example.id,
            example.cluster,
            prompt,
            {name: value for name, value in example.facts.items() if name in ("category", "challenge", "note")},
            (pairs[example.id][0].sha256, pairs[example.id][1].sha256),
        )
        for example, prompt in chosen
    )
    files = {picture.id: picture.file for example, _ in examples for picture in example.pictures if picture.file}
    return StudyMaterial(replace(study, items=items), pairs, files)
