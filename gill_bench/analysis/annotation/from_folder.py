"""A study of pictures in two folders, whose files are named after the examples of a task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gill_bench.analysis.annotation.material import SidePicture, StudyMaterial, material_of
from gill_bench.analysis.annotation.study import GENERATED, RETRIEVED, PromptPart, Study, StudySide
from gill_bench.cards.find import TaskCard
from gill_bench.datasets import Example, Picture, dataset, partiprompts
from gill_bench.datasets.pictures import check_pictures, index_pictures
from gill_bench.errors import InputError, did_you_mean
from gill_bench.planning.resolved import data_folder
from gill_bench.progress import bar, say
from gill_bench.storage.paths import is_remote


def examples_to_ask(card: TaskCard, data: str) -> list[Example]:
    """The examples of a task about which annotators can be asked: of PartiPrompts also those without a label.

    Raises:
        InputError: The data is not there, or is malformed.
    """
    folder = data_folder(card, data)
    if card.data.format == partiprompts.FORMAT:
        return partiprompts.prompts(folder)
    return list(dataset(card.data.format).load(folder, card.data.split, card.data.options).examples)


def material_of_folder(
    folder: Path, card: TaskCard, data: str, names: tuple[str, ...], limit: int = 0, seed: int = 0
) -> StudyMaterial:
    """The study of the pictures in two folders of a folder.

    Args:
        folder: The folder. Of `FOLDER/retrieved/12.png` and `FOLDER/generated/12.jpg`, 12 is the example; files may
            also be named with a seed, as `gill-bench import` reads them: `0/12.png` or `12_0.png`.
        card: The task, as `resolve_task` returned it.
        data: The folder of the task's data, or "mini".
        names: The names of the two folders; () for the only two that hold pictures.
        limit: At most so many examples, from the first; 0 for all.
        seed: The seed of the pictures whose files are named with one.

    Raises:
        InputError: There are not two such folders, no example has two pictures, or a picture cannot be read.
    """
    if is_remote(folder) or not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected a run, or a folder with two folders of pictures")
    first, second = _two_folders(folder, names)
    sides = StudySide(first, _kind(first)), StudySide(second, _kind(second))
    asked_about = examples_to_ask(card, data)
    ids = [example.id for example in asked_about]
    pictures = _pictures(folder / first, ids, seed), _pictures(folder / second, ids, seed)
    examples = [(example, prompt_of(example)) for example in asked_about]
    return material_of(Study(card.name, "", seed, sides, ()), examples, pictures, limit)


def prompt_of(example: Example) -> tuple[PromptPart, ...]:
    """The texts of an example with their pictures, in order, without the picture that the texts lead to."""
    parts: list[PromptPart] = []
    for turn in example.turns:
        parts.append(turn.text)
        if turn.picture is not None and turn.picture != example.target:
            parts.append({"picture": turn.picture.id})
    return tuple(parts)


def _two_folders(folder: Path, names: tuple[str, ...]) -> tuple[str, str]:
    with_pictures = sorted(path.name for path in folder.iterdir() if path.is_dir() and _files(path))
    chosen = names or tuple(with_pictures)
    for name in chosen:
        if name not in with_pictures:
            raise InputError(f"{folder}: no folder {name!r} with pictures; {did_you_mean(name, with_pictures)}")
    if len(chosen) != 2:
        raise InputError(
            f"{folder}: expected two folders of pictures, such as {GENERATED} and {RETRIEVED}, each named after an"
            f" example; there are {len(with_pictures)}{_listed(with_pictures)}; choose with --models A,B"
        )
    return chosen[0], chosen[1]


def _listed(names: list[str]) -> str:
    return f" ({', '.join(names[:6])})" if names else ""


def _kind(name: str) -> str:
    return RETRIEVED if name == RETRIEVED else GENERATED


def _files(folder: Path) -> dict[str, Path]:
    """The pictures of a folder at any depth, by their path in it without extension; `EXTENSIONS` says which counts."""
    below = {path for path in folder.rglob("*") if path.is_dir() and not path.name.startswith(".")}
    files = {}
    for parent in sorted({folder, *below}):
        for stem, file in index_pictures([parent]).items():
            files[(parent.relative_to(folder) / stem).as_posix()] = file
    return files


def _pictures(folder: Path, ids: Sequence[str], seed: int) -> dict[str, SidePicture]:
    """The pictures of the examples that have one which can be read."""
    known = _files(folder)
    named = {name: (name, f"{seed}/{name}", f"{name}_{seed}") for name in ids}
    files = {name: known[path] for name, paths in named.items() for path in reversed(paths) if path in known}
    with bar(f"checking {folder.name}", len(files), "picture") as progress:
        checked = check_pictures([Picture(name, file) for name, file in files.items()], progress)
    problems = {name: check.problem for name, check in checked.items() if check.problem}
    for name in sorted(problems)[:3]:
        say(f"warning: {files[name]}: {problems[name]}; the example is left out")
    return {
        name: SidePicture(files[name], check.sha256.partition("|")[0])
        for name, check in checked.items()
        if not check.problem
    }
