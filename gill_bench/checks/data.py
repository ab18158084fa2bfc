"""The data check of a task: it lists missing and broken files and pictures, and counts the usable examples.

The check reads the data alone; it loads no model and no metric's backbone.
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
from gill_bench.planning.selection import choose_contexts, output_kind
from gill_bench.planning.settings import UNREADABLE
from gill_bench.weights.find import MINI


@dataclass(frozen=True)
class BrokenPicture:
    """A picture whose file cannot be read, with the reason."""

    id: str
    file: Path
    reason: str


@dataclass(frozen=True)
class PictureCount:
    """The counts of the distinct pictures of one kind.

    Attributes:
        total: The number of pictures that the data names.
        missing: The ids of pictures without a file, in the order of the data.
        broken: The pictures whose file cannot be read.
    """

    total: int
    missing: tuple[str, ...]
    broken: tuple[BrokenPicture, ...]

    @property
    def there(self) -> int:
        """The number of pictures that can be read."""
        return self.total - len(self.missing) - len(self.broken)


@dataclass(frozen=True)
class DataCheck:
    """The result of the data check of one task.

    Attributes:
        task: The name of the task's card.
        split: The split that was read.
        folder: The folder that the data was read from.
        downloads: The files and folders that the card asks users to download.
        refuses_broken: Whether a run stops at broken pictures, since the card says so.
        problem: The reason why the task cannot run with this data, or "".
        examples: The number of examples in the split; 0 if the data cannot be read.
        usable: The number of usable examples by context.
        pictures: Counts by use: "examples", "candidates", "references"; a use without pictures is left out.
        repeated: Groups of ids of pictures whose files have the same content.
        warnings: Sentences from the data set's reader.
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
        lacks = any(download.state != "there" for download in self.downloads)
        lacks |= any(count.there < count.total for count in (self.pictures or {}).values())
        return "incomplete" if lacks else "complete"

    def as_json(self) -> dict[str, Any]:
        """The object that `gill-bench data check --json` prints."""
        return {
            "task": self.task,
            "split": self.split,
            "folder": str(self.folder),
            "state": self.state,
            "problem": self.problem,
            "downloads": [
                {
                    "what": download.what,
                    "state": download.state,
                    "url": download.url,
                    "size": download.size,
                    "place": str(download.expected),
                    "found": str(download.path) if download.path else None,
                    "lacking": download.lacking,
                    "hint": download.hint,
                }
                for download in self.downloads
            ],
            "examples": self.examples,
            "usable": dict(self.usable or {}),
            "pictures": {
                name: {
                    "total": count.total,
                    "there": count.there,
                    "missing": list(count.missing),
                    "broken": [{"id": item.id, "file": str(item.file), "reason": item.reason} for item in count.broken],
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
    """Check everything that a task reads; every picture is decoded once.

    Args:
        card: The task's card.
        data: "mini" or a folder, which need not exist.
        split: Another split than the card's; None for the card's.
        settings: The user's settings of the task, as for `gill_bench.planning.resolve.resolve_task`.
        progress: Starts a progress bar with a label and a total; the returned function advances it.

    Raises:
        InputError: A setting or value is unknown, or the task has no mini data. A fault of the data itself does not
            raise: `DataCheck.problem` names it.
    """
    resolved = resolve_task(card, data=data, split=split, settings=settings or {})
    check = DataCheck(
        card.name,
        resolved.data.split,
        data_folder(resolved, data),
        tuple(find_downloads(resolved, data, card.data.split)),
        UNREADABLE.of(resolved.data.options) == "refuse",
    )
    try:
        task = read_task(resolved, data=data, progress=progress)
    except InputError as error:
        return replace(check, problem=str(error))
    pictures = {name: _count(task, group) for name, group in task.pictures().items() if group}
    usable = _usable(task)
    return replace(
        check,
        downloads=_counted(check.downloads, task),
        problem=_problem(task, usable),
        examples=len(task.examples),
        usable=usable,
        pictures=pictures,
        repeated=tuple(map(tuple, repeated_content(dict(task.checked)))) if data != MINI else (),
        warnings=(*task.warnings, *_without_candidates(task, usable)),
    )


def _count(task: ResolvedTask, pictures: tuple[Picture, ...]) -> PictureCount:
    with_file = [(picture, picture.file) for picture in pictures if picture.file is not None]
    return PictureCount(
        len(pictures),
        tuple(picture.id for picture in pictures if picture.file is None),
        tuple(
            BrokenPicture(picture.id, file, task.checked[picture.id].problem)
            for picture, file in with_file
            if task.checked[picture.id].problem
        ),
    )


def _counted(downloads: tuple[Needed, ...], task: ResolvedTask) -> tuple[Needed, ...]:
    """The downloads, with the folder of the pictures and the number of lacking pictures as the reader knows them."""
    files = {picture.id: picture.file for group in task.pictures().values() for picture in group}
    first = next((file for file in files.values() if file is not None), None)
    if first is None or sum(download.pictures for download in downloads) != 1:
        return downloads
    lacking = sum(file is None for file in files.values())
    counted = []
    for download in downloads:
        path = download.path if download.path and first.is_relative_to(download.path) else first.parent
        counted.append(replace(download, path=path, lacking=lacking, hint="") if download.pictures else download)
    return tuple(counted)


def _usable(task: ResolvedTask) -> dict[str, int]:
    no_candidates = not task.usable(CandidateContext()) and not _has_converted(task)
    return {
        context.name: 0 if no_candidates and _searches(task, context) else len(task.usable(context))
        for context in choose_contexts(task.card, ["all"])
    }


def _searches(task: ResolvedTask, context: Context) -> bool:
    return output_kind(task.card, context) == "embeddings"


def _has_converted(task: ResolvedTask) -> bool:
    """Whether the folder of candidates holds embeddings and no pictures; the reader refuses an empty folder."""
    return bool(task.card.data.options.get("candidates")) and not task.candidates


def _without_candidates(task: ResolvedTask, usable: Mapping[str, int]) -> Iterator[str]:
    """A warning if contexts search and the card names no candidates, which is no missing data: users choose them."""
    names = [name for name in usable if _searches(task, task.context(name))]
    if names and not task.candidates and not _has_converted(task):
        how = f": --set {task.card.name}.candidates=FOLDER" if "candidates" in task.card.data.options else ""
        yield f"no candidate pictures are named for {', '.join(names)}{how}"


def _problem(task: ResolvedTask, usable: Mapping[str, int]) -> str:
    """The reason why a run would refuse all of the data; "" if it would not."""
    card = task.card
    if not any(usable.values()):
        context = choose_contexts(card, ["all"])[0]
        reason = task.problem(task.examples[0], context)
        first = f"; example {task.examples[0].id}: {reason}" if reason else ""
        return f"none of the {len(task.examples)} examples can be asked{first}"
    for spec in card.metrics:
        module = metric(spec.name, card.home)
        if module.kind == "distribution":
            settings = {**spec.settings, **(spec.mini if task.data == MINI else {}), **card.scoring}
            try:
                cast(DistributionMetricModule, module).check_count(max(usable.values()), settings, card.name)
            except InputError as error:
                return str(error)
    return ""
