"""A study of the pictures that models of a run generated, or retrieved from the task's candidates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gill_bench.analysis.annotation.from_folder import prompt_of
from gill_bench.analysis.annotation.material import SidePicture, StudyMaterial, material_of
from gill_bench.analysis.annotation.study import GENERATED, RETRIEVED, PromptPart, Study, StudySide
from gill_bench.cards.find import TaskCard
from gill_bench.datasets import Dataset, Picture, dataset
from gill_bench.datasets.controls import parse_context
from gill_bench.errors import InputError, did_you_mean
from gill_bench.interfaces import OutputKind
from gill_bench.planning.candidates import CANDIDATES
from gill_bench.planning.resolved import data_folder
from gill_bench.planning.selection import output_kind
from gill_bench.planning.spec import task_arguments
from gill_bench.progress import say
from gill_bench.rundir.load import read_spec
from gill_bench.rundir.load_units import read_vectors
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey, Sample, SpecTask
from gill_bench.rundir.rows import Results
from gill_bench.storage.digests import digest_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_KINDS: Mapping[OutputKind, str] = {"images": GENERATED, "embeddings": RETRIEVED}


@dataclass(frozen=True)
class _Cells:
    """The cells of one task of a run that have pictures: by model and kind, the contexts."""

    run: RunReader
    task: str
    entry: SpecTask
    data: str | None
    contexts: Mapping[tuple[str, str], Sequence[str]]

    def models(self, kind: str) -> list[str]:
        return [model for model, of_kind in self.contexts if of_kind == kind]


def material_of_run(
    folder: Path,
    task: str,
    names: tuple[str, ...] = (),
    *,
    context: str = "",
    seed: int = 0,
    data: str | None = None,
    limit: int = 0,
) -> StudyMaterial:
    """The study of two models of a run, or of the pictures that were retrieved and generated.

    Args:
        folder: The run directory.
        task: The name of the task; "" for the only one.
        names: Two models; one model, whose retrieved and generated pictures are compared; or () for the only choice.
        context: The context of the outputs; "" for the only one of which both sides have pictures.
        seed: The seed of generated pictures.
        data: Where the run's data is now; None for where the run found it.
        limit: At most so many examples, from the first; 0 for all.

    Raises:
        InputError: The run has no such task or model, no pictures of both sides, or several choices.
    """
    spec = read_spec(folder)
    run = RunReader(folder, Results(()), spec, unscored=True)
    cells = _cells_of(run, _task_named(run, task), data)
    sides, models = _sides(cells, names)
    kinds = [side.kind for side in sides]
    contexts = _contexts(cells, models, kinds, context)
    loaded = _data_of(cells)
    pictures = [
        _generated(run, CellKey(cells.task, model, name), seed)
        if kind == GENERATED
        else _retrieved(run, CellKey(cells.task, model, name), loaded)
        for model, name, kind in zip(models, contexts, kinds, strict=True)
    ]
    prompts = _prompts(run, CellKey(cells.task, models[0], contexts[0]))
    examples = [(example, prompts.get(example.id) or prompt_of(example)) for example in loaded.examples]
    shown = context_names(contexts)
    study = Study(cells.task, shown, seed if GENERATED in kinds else 0, sides, ())
    return material_of(study, examples, (pictures[0], pictures[1]), limit)


def context_names(contexts: Sequence[str]) -> str:
    """The context of both sides; both contexts where they differ.

    >>> context_names(["1-caption", "1-caption"]), context_names(["heuristic", "generate"])
    ('1-caption', 'heuristic-generate')
    """
    return "-".join(dict.fromkeys(contexts))


def _task_named(run: RunReader, task: str) -> str:
    tasks = list(dict.fromkeys(cell.task for cell in run.spec.cells))
    if not tasks:
        raise InputError(f"{run.folder}: not a run; expected a run, or a folder with two folders of pictures")
    if not task and len(tasks) == 1:
        return tasks[0]
    if task not in tasks:
        wrong = f"no task {task!r}" if task else "several tasks"
        raise InputError(f"{run.folder}: {wrong}; choose with --task: {did_you_mean(task, tasks)}")
    return task


def _cells_of(run: RunReader, task: str, data: str | None) -> _Cells:
    of_task = [cell for cell in run.spec.cells if cell.task == task and cell.context != CANDIDATES]
    entry = run.spec.tasks[of_task[0].task_as]
    card: TaskCard = task_arguments(run.folder, entry, data)["card"]
    reader = dataset(card.data.format)
    stored = set(run.cell_keys)
    contexts: dict[tuple[str, str], list[str]] = {}
    for cell in of_task:
        kind = _KINDS.get(output_kind(card, parse_context(reader, cell.context)))
        has_candidates = CellKey(task, cell.model, CANDIDATES) in stored
        if kind and cell.cell_key in stored and (kind == GENERATED or has_candidates):
            contexts.setdefault((cell.model, kind), []).append(cell.context)
    if not contexts:
        raise InputError(
            f"{run.folder}: {task} has no pictures; of a task without pictures of its own, generate some"
            " (--contexts generate for partiprompts), or give a folder with two folders of pictures"
        )
    return _Cells(run, task, entry, data, contexts)


def _sides(cells: _Cells, names: tuple[str, ...]) -> tuple[tuple[StudySide, StudySide], tuple[str, str]]:
    """The two sides, and the model of each."""
    generating, retrieving = cells.models(GENERATED), cells.models(RETRIEVED)
    known = list(dict.fromkeys([*generating, *retrieving]))
    for name in names:
        if name not in known:
            raise InputError(
                f"{cells.run.folder}: {cells.task} has no pictures of {name!r}; {did_you_mean(name, known)}"
            )
    if len(names) == 2:
        first, second = (StudySide(name, GENERATED if name in generating else RETRIEVED) for name in names)
        return (first, second), (names[0], names[1])
    if len(names) == 1 and names[0] in generating and names[0] in retrieving:
        return _RETRIEVED_AND_GENERATED, (names[0], names[0])
    if not names and len(retrieving) == len(generating) == 1:
        return _RETRIEVED_AND_GENERATED, (retrieving[0], generating[0])
    if not names and len(generating) == 2 and not retrieving:
        first, second = (StudySide(name, GENERATED) for name in generating)
        return (first, second), (generating[0], generating[1])
    counts = f"generated by {', '.join(generating) or 'none'}; retrieved by {', '.join(retrieving) or 'none'}"
    raise InputError(
        f"{cells.run.folder}: which two? {cells.task} has pictures {counts}\n"
        "choose two models with --models A,B; --models A compares what A retrieved with what it generated"
    )


_RETRIEVED_AND_GENERATED = StudySide(RETRIEVED, RETRIEVED), StudySide(GENERATED, GENERATED)


def _contexts(cells: _Cells, models: Sequence[str], kinds: Sequence[str], context: str) -> tuple[str, str]:
    """The context of each side: the one that was named, else the only one."""
    available = [cells.contexts[model, kind] for model, kind in zip(models, kinds, strict=True)]
    shared = [name for name in available[0] if name in available[1]]
    if context:
        canonical = parse_context(dataset(_card(cells).data.format), context).name
        if not any(canonical in names for names in available):
            raise InputError(
                f"--context {context}: no pictures; {did_you_mean(context, [*available[0], *available[1]])}"
            )
        available = [[canonical] if canonical in names else names for names in available]
    elif len(shared) == 1:
        return shared[0], shared[0]
    for model, names in zip(models, available, strict=True):
        if len(names) > 1:
            raise InputError(f"{model} has pictures in {', '.join(names)}; choose with --context")
    return available[0][0], available[1][0]


def _card(cells: _Cells) -> TaskCard:
    card: TaskCard = task_arguments(cells.run.folder, cells.entry, cells.data)["card"]
    return card


def _data_of(cells: _Cells) -> Dataset:
    arguments: dict[str, Any] = task_arguments(cells.run.folder, cells.entry, cells.data)
    card: TaskCard = arguments["card"]
    folder = data_folder(card, arguments["data"])
    return dataset(card.data.format).load(folder, card.data.split, card.data.options)


def _prompts(run: RunReader, key: CellKey) -> dict[str, tuple[PromptPart, ...]]:
    """The prompt of each example as the model was given it."""
    prompts: dict[str, tuple[PromptPart, ...]] = {}
    for sample in run.samples(key):
        if sample.example not in prompts:
            prompts[sample.example] = tuple(map(_part, sample.details.get("prompt") or ()))
    return prompts


def _part(part: Any) -> PromptPart:
    if isinstance(part, str):
        return part
    return "[a grey picture]" if part.get("blank") else {"picture": str(part["picture"])}


def _generated(run: RunReader, key: CellKey, seed: int) -> dict[str, SidePicture]:
    pictures = {
        sample.example: SidePicture(sample.picture, sample.sha256)
        for sample in run.samples(key)
        if sample.picture is not None and sample.seed == seed
    }
    if not pictures:
        seeds = sorted({sample.seed for sample in run.samples(key)})
        raise InputError(f"{run.folder}: {key} has no picture of seed {seed}; stored: {seeds or 'none'} (--seed)")
    return pictures


def _retrieved(run: RunReader, key: CellKey, loaded: Dataset) -> dict[str, SidePicture]:
    """The candidate that each prompt's embedding is most similar to, as retrieval in the task searches."""
    import numpy as np

    from gill_bench.embeddings.search import top_k

    samples: list[Sample] = []

    def blocks(key: CellKey) -> Iterator[NDArray[np.float32]]:
        for folder, rows in _by_unit(run, key, samples).items():
            yield read_vectors(folder)[rows]

    queries = list(blocks(key))
    examples = [sample.example for sample in samples]
    samples.clear()
    candidates_key = key._replace(context=CANDIDATES)
    nearest = top_k(np.concatenate(queries), blocks(candidates_key), 1) if queries else None
    names = [sample.example for sample in samples]
    if nearest is None or not names:
        raise InputError(f"{run.folder}: {key} has no stored embeddings of prompts and candidates yet")
    files: dict[str, Picture] = {picture.id: picture for picture in loaded.candidates}
    pictures: dict[str, SidePicture] = {}
    gone: set[str] = set()
    for example, (best,) in zip(examples, nearest.indices.tolist(), strict=True):
        file = files[names[best]].file if names[best] in files else None
        if file is None or not file.is_file():
            gone.add(names[best])
        else:
            pictures[example] = SidePicture(file, digest_file(file))
    if gone:
        say(
            f"warning: {len(gone)} retrieved pictures are not in the data, such as {min(gone)};"
            " their examples are left out"
        )
    return pictures


def _by_unit(run: RunReader, key: CellKey, samples: list[Sample]) -> dict[Path, list[int]]:
    """The rows of each unit's vectors; the samples, in the same order, are added to the list."""
    rows: dict[Path, list[int]] = {}
    by_folder: dict[Path, list[Sample]] = {}
    for sample in run.samples(key):
        by_folder.setdefault(sample.folder, []).append(sample)
    for folder, of_unit in by_folder.items():
        rows[folder] = [sample.row for sample in of_unit]
        samples += of_unit
    return rows
