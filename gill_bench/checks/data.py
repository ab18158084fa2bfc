"""What a task's data folder holds: what is there, what is missing, what is broken, and what can be asked with it.

Nothing is loaded but the data: no model, no metric's backbone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from gill_bench.cards.find import TaskCard, Value
from gill_bench.checks.downloads import Needed, find_downloads
from gill_bench.datasets import Context, Picture
from gill_bench.datasets.pictures import repeated_content
from gill_bench.errors import InputError
from gill_bench.metrics import DistributionMetricModule, metric
from gill_bench.planning.candidates import CandidateContext
from gill_bench.planning.resolve import read_task, resolve_task
from gill_bench.planning.resolved import ResolvedTask, data_folder
from gill_bench.planning.selection import asks_of, choose_contexts
from gill_bench.weights.find import MINI


@dataclass(frozen=True)
class Broken:
    """A picture whose file cannot be read, and why."""

    id: str
    file: Path
    reason: str


@dataclass(frozen=True)
class PictureCount:
    """The distinct pictures of one kind.

    Attributes:
        total: How many the data names.
        missing: Ids of those without a file, in the order of the data.
        broken: Those whose file cannot be read.
    """

    total: int
    missing: tuple[str, ...]
    broken: tuple[Broken, ...]

    @property
    def there(self) -> int:
        """How many can be read."""
        return self.total - len(self.missing) - len(self.broken)


@dataclass(frozen=True)
class DataCheck:
    """What one task has.

    Attributes:
        folder: Where its data is read.
        refuses_broken: A run stops at broken pictures, since the card says so.
        problem: Why the task cannot run with this data, or "".
        examples: How many the split has; 0 if it cannot be read.
        usable: How many examples can be asked, by context.
        pictures: By what they are for: "examples", "candidates", "references"; without those that the task has none of.
        repeated: Groups of picture ids whose files are the same.
        warnings: Sentences of the reader.
    """

    task: str
    split: str
    folder: Path
    downloads: tuple[Needed, ...]
    refuses_broken: bool = False
    problem: str = ""
    examples: int = 0
    usable: Mapping[str, int] | None = None
    pictures: Mapping[str, PictureCount] | None = None
    repeated: tuple[tuple[str, ...], ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """One of "complete", "incomplete" (the task runs with a part of its data) and "unusable"."""
        if self.problem:
            return "unusable"
        lacks = any(one.state != "there" for one in self.downloads)
        lacks |= any(count.there < count.total for count in (self.pictures or {}).values())
        return "incomplete" if lacks else "complete"

    def as_json(self) -> dict[str, Any]:
        """As `gill-bench data check --json` prints it."""
        return {
            "task": self.task,
            "split": self.split,
            "folder": str(self.folder),
            "state": self.state,
            "problem": self.problem,
            "downloads": [
                {
                    "what": one.what,
                    "state": one.state,
                    "url": one.url,
                    "size": one.size,
                    "place": str(one.place),
                    "found": str(one.found) if one.found else None,
                    "lacking": one.lacking,
                    "hint": one.hint,
                }
                for one in self.downloads
            ],
            "examples": self.examples,
            "usable": dict(self.usable or {}),
            "pictures": {
                name: {
                    "total": count.total,
                    "there": count.there,
                    "missing": list(count.missing),
                    "broken": [{"id": one.id, "file": str(one.file), "reason": one.reason} for one in count.broken],
                }
                for name, count in (self.pictures or {}).items()
            },
            "repeated": [list(group) for group in self.repeated],
            "warnings": list(self.warnings),
        }


def check_data(
    card: TaskCard,
    *,
    data: str,
    split: str | None = None,
    settings: Mapping[str, Value] | None = None,
    progress: Callable[[str, int], Callable[[int], None]] | None = None,
) -> DataCheck:
    """Look at everything that a task reads; every picture is decoded once.

    Args:
        card: The task's card.
        data: "mini" or a folder, which need not exist.
        split: Another split than the card's.
        settings: The user's, as for `gill_bench.planning.resolve.resolve_task`.
        progress: Given a label and a total, returns a function that is called with each step done.

    Raises:
        InputError: An unknown setting or value, or the task has no mini data. What is wrong with the data is told in
            `DataCheck.problem` instead.
    """
    resolved = resolve_task(card, data=data, split=split, settings=settings or {})
    data_check = DataCheck(
        card.name,
        resolved.data.split,
        data_folder(resolved, data),
        tuple(find_downloads(resolved, data, card.data.split)),
        resolved.data.options.get("unreadable") == "refuse",
    )
    try:
        task = read_task(resolved, data=data, progress=progress)
    except InputError as error:
        return replace(data_check, problem=str(error))
    pictures = {name: _count(task, group) for name, group in task.pictures().items() if group}
    usable = _usable(task)
    return replace(
        data_check,
        downloads=_counted(data_check.downloads, task),
        problem=_problem(task, usable),
        examples=len(task.examples),
        usable=usable,
        pictures=pictures,
        repeated=tuple(map(tuple, repeated_content(dict(task.checked)))) if data != MINI else (),
        warnings=(*task.warnings, *_without_candidates(task, usable)),
    )


def _count(task: ResolvedTask, pictures: tuple[Picture, ...]) -> PictureCount:
    there = [(picture, picture.file) for picture in pictures if picture.file is not None]
    return PictureCount(
        len(pictures),
        tuple(picture.id for picture in pictures if picture.file is None),
        tuple(
            Broken(picture.id, file, task.checked[picture.id].problem)
            for picture, file in there
            if task.checked[picture.id].problem
        ),
    )


def _counted(downloads: tuple[Needed, ...], task: ResolvedTask) -> tuple[Needed, ...]:
    """The reader knows of all pictures where they are, and how many lack."""
    files = {picture.id: picture.file for group in task.pictures().values() for picture in group}
    first = next((file for file in files.values() if file is not None), None)
    if first is None or sum(one.pictures for one in downloads) != 1:
        return downloads
    lacking = sum(file is None for file in files.values())
    counted = []
    for one in downloads:
        found = one.found if one.found and first.is_relative_to(one.found) else first.parent
        counted.append(replace(one, found=found, lacking=lacking, hint="") if one.pictures else one)
    return tuple(counted)


def _usable(task: ResolvedTask) -> dict[str, int]:
    nowhere = not task.usable(CandidateContext()) and not _has_converted(task)
    return {
        context.name: 0 if nowhere and _searches(task, context) else len(task.usable(context))
        for context in choose_contexts(task.card, ["all"])
    }


def _searches(task: ResolvedTask, context: Context) -> bool:
    return asks_of(task.card, context) == "embeddings"


def _has_converted(task: ResolvedTask) -> bool:
    """Whether the folder of candidates holds embeddings alone; the reader refuses one that holds nothing."""
    return bool(task.card.data.options.get("candidates")) and not task.candidates


def _without_candidates(task: ResolvedTask, usable: Mapping[str, int]) -> Iterator[str]:
    """Contexts that search, where the card names no pictures to search among: a choice, and nothing that is missing."""
    names = [name for name in usable if _searches(task, task.context(name))]
    if names and not task.candidates and not _has_converted(task):
        how = f": --set {task.card.name}.candidates=FOLDER" if "candidates" in task.card.data.options else ""
        yield f"no candidate pictures are named for {', '.join(names)}{how}"


def _problem(task: ResolvedTask, usable: Mapping[str, int]) -> str:
    """Why a run would refuse all of it, or ""."""
    card = task.card
    if not any(usable.values()):
        context = choose_contexts(card, ["all"])[0]
        reason = task.problem(task.examples[0], context)
        first = f"; example {task.examples[0].id}: {reason}" if reason else ""
        return f"none of the {len(task.examples)} examples can be asked{first}"
    for spec in card.metrics:
        if metric(spec.name).kind == "distribution":
            settings = {**spec.settings, **(spec.mini if task.data == MINI else {}), **card.scoring}
            try:
                cast(DistributionMetricModule, metric(spec.name)).check_count(max(usable.values()), settings, card.name)
            except InputError as error:
                return str(error)
    return ""
