"""From planned cells to the records of `spec.json`, and from a record back to the arguments of `open_task`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gill_bench.cards.find import TaskCard, explain
from gill_bench.errors import InputError
from gill_bench.planning.cells import Cell
from gill_bench.rundir.records import SPEC, Spec, SpecCell, SpecTask
from gill_bench.storage.digests import digest
from gill_bench.storage.paths import is_remote
from gill_bench.weights.find import MINI


def merge_spec(run: Path, spec: Spec, cells: Sequence[Cell]) -> Spec:
    """Replace the cells of this command in a spec; cells of earlier commands stay as they are."""
    planned = {cell.key for cell in cells}
    merged = [cell for cell in spec.cells if cell.cell_key not in planned]
    tasks = dict(spec.tasks)
    for cell in cells:
        card = cell.task.card.model_dump(mode="json", by_alias=True)
        folders = [_to_run(run, folder) for folder in (cell.task.data, cell.task.metric_weights)]
        task = SpecTask(card, folders[0], cell.task.limit, folders[1])
        name = f"{cell.task.card.name}@{digest(asdict(task))[:8]}"
        tasks[name] = task
        merged.append(
            SpecCell(
                task=cell.task.card.name,
                task_as=name,
                model=cell.model,
                context=cell.context.name,
                seeds=tuple(cell.seeds),
                row_seeds=tuple(cell.row_seeds),
                recipe=dict(cell.recipe),
                notes=tuple(cell.notes),
                usable=len(cell.usable),
            )
        )
    merged.sort(key=lambda cell: cell.cell_key)
    used = {cell.task_as for cell in merged}
    return Spec({name: task for name, task in sorted(tasks.items()) if name in used}, tuple(merged))


def task_arguments(run: Path, task: SpecTask, data: str | None = None) -> dict[str, Any]:
    """The arguments of `open_task` for a task of a spec, with folders as seen from the current folder.

    Raises:
        InputError: The entry was written by a version whose cards differ.
    """
    try:
        # A run may come from anybody: it does not say from which folder a metric's file would be run.
        card = TaskCard.model_validate(task.card).model_copy(update={"home": ""})
    except ValidationError as error:
        raise InputError(
            f"{run / SPEC}: a card that this gill-bench does not read ({explain(error, TaskCard)});"
            " it is of another version: run the same command again to renew it"
        ) from error
    return {
        "card": card,
        "data": data or _data_from_run(run, task.data),
        "limit": task.limit,
        "metric_weights": _from_run(run, task.metric_weights),
    }


def _to_run(run: Path, folder: str) -> str:
    """A folder as seen from the run; from the current folder, if the run is in an object store."""
    return folder if folder == MINI else Path(os.path.relpath(folder, None if is_remote(run) else run)).as_posix()


def _from_run(run: Path, folder: str) -> str:
    return folder if folder == MINI else os.path.normpath(folder if is_remote(run) else run / folder)


def _data_from_run(run: Path, folder: str) -> str:
    path = _from_run(run, folder)
    if path != MINI and not Path(path).is_dir():
        seen = "the current folder" if is_remote(run) else run
        raise InputError(
            f"{path}: the data of the run is not there any more (the path is relative to {seen}); name its folder:"
            " --data DIR"
        )
    return path
