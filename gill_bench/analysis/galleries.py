"""Galleries: for each example the prompt, the target and the stored outputs of all models; and tests between models.

Prompts come from the stored samples, which hold the texts and the ids of the pictures that a model was given. The data
set adds the pictures themselves, reference texts, and the order of the examples.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gill_bench.analysis.compare import compare_stored
from gill_bench.analysis.gallery_records import (
    ExampleScores,
    Gallery,
    GalleryExample,
    Lost,
    ModelTest,
    PictureFile,
    RunRecord,
    ShownOutput,
)
from gill_bench.analysis.side import Side
from gill_bench.datasets import Example, Picture, dataset
from gill_bench.errors import InputError
from gill_bench.planning.candidates import CANDIDATES
from gill_bench.planning.cells import Cell, plan_cell
from gill_bench.planning.resolved import data_folder
from gill_bench.planning.spec import task_arguments
from gill_bench.progress import say
from gill_bench.rundir.load import read_sessions
from gill_bench.rundir.load_units import read_samples
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey, LossReason
from gill_bench.rundir.rows import Unmade
from gill_bench.statistics.significance import holm
from gill_bench.storage.images import load_image

if TYPE_CHECKING:
    from PIL.Image import Image

_MOST_RANKED_TEXTS = 3  # the number of best-ranked texts that are listed for an example
_OUTCOME_WORDS: Mapping[LossReason, str] = {"failed": "failed", "refused": "refused", "not made": "not made yet"}
_NOT_EXAMPLES = ("candidate ", "reference ")  # how the names of pictures begin among the names of missing examples
_RIGHT_ANSWER = "gt_index"  # the fact that says which of an example's ranked answers is right


@dataclass(frozen=True)
class TaskData:
    """The examples and pictures of a task's data set; empty if the data was not found."""

    examples: Mapping[str, Example]
    pictures: Mapping[str, Picture]
    title: str
    note: str = ""


def galleries(
    runs: Sequence[RunReader], data: str | None = None, keep: dict[str, TaskData] | None = None
) -> Iterator[Gallery]:
    """Yield the galleries of several runs taken together, one for each task and context.

    Only one gallery is held in memory at a time.

    Args:
        runs: Scored runs. If several runs have the same sample, the sample of the first run is shown.
        data: Folder of the data; None looks where the run found it. Pictures that are not found are left out, and the
            gallery's note says so.
        keep: Given to one call after another, it keeps the data of all tasks, which is then read once; None keeps the
            data of one task at a time.
    """
    loaded: dict[str, TaskData] = {} if keep is None else keep
    for (task, context), cells in _cells_of_contexts(runs).items():
        run, key = cells[0]
        entry_name = next(cell.task_as for cell in run.spec.cells if cell.cell_key == key)
        if entry_name not in loaded:
            if keep is None:
                loaded.clear()
            loaded[entry_name] = _read_data(run, entry_name, data)
        gallery = _gallery(task, context, cells, loaded[entry_name])
        if gallery.examples:
            yield gallery


def model_tests(runs: Sequence[RunReader]) -> list[ModelTest]:
    """Test every pair of models in every metric with values of single examples, with Holm's adjustment in each task.

    Pairs that cannot be compared (no example in common, metrics computed in two ways) are left out.
    """
    run_of_cell = {key: run for run in reversed(runs) for key, _ in run.rows}
    models = {(run_of_cell[key].folder, key[1]): run_of_cell[key] for key in sorted(run_of_cell)}
    tests: list[ModelTest] = []
    for first, second in combinations(models, 2):
        if first[1] == second[1]:
            continue
        try:
            comparisons = compare_stored((models[first], models[second]), Side(*first), Side(*second), shown=0)
        except InputError:
            continue
        tests += [
            ModelTest(pair.task, pair.context, pair.metric, pair.models, pair.difference, pair.p, pair.p, pair.better)
            for pair in comparisons
        ]
    adjusted: list[ModelTest] = []
    for task in dict.fromkeys(test.task for test in tests):
        of_task = [test for test in tests if test.task == task]
        p_values = holm([test.p for test in of_task])
        adjusted += [replace(test, p_holm=p) for test, p in zip(of_task, p_values, strict=True)]
    return adjusted


def record_of(run: RunReader) -> RunRecord:
    """The provenance of a run's numbers.

    Raises:
        InputError: env.json is damaged.
    """
    sessions = read_sessions(run.folder)
    missing = [(item.task, item.example, item.reason) for item in run.results.missing]
    failed = [
        (item.task, item.model, item.context, name, f"{_OUTCOME_WORDS[item.outcome]}: {_reason_of(item)}", item.record)
        for item in run.results.unmade
        if item.reason
        for name in item.examples
    ]
    # A run given as "." is shown under the name of the current folder.
    return RunRecord(run.folder.name or run.folder.resolve().name, run.spec, sessions, missing, failed)


def _cells_of_contexts(runs: Sequence[RunReader]) -> dict[tuple[str, str], list[tuple[RunReader, CellKey]]]:
    """The cells of each (task, context), in the order of their names."""
    cells: dict[tuple[str, str], list[tuple[RunReader, CellKey]]] = {}
    for run in runs:
        for key in run.cell_keys:
            if run.spec.cell(key) is not None and key.context != CANDIDATES:
                cells.setdefault((key[0], key[2]), []).append((run, key))
    return dict(sorted(cells.items(), key=lambda item: (item[0][0], _natural_order(item[0][1]))))


def _natural_order(name: str) -> list[tuple[int, str]]:
    """A sorting key that puts 2-rounds before 10-rounds."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"([0-9]+)", name)]


def _read_data(run: RunReader, name: str, data: str | None) -> TaskData:
    task = run.spec.tasks[name]
    title = str(task.card.get("title", task.card["name"]))
    try:
        arguments = task_arguments(run.folder, task, data)
        card = arguments["card"]
        loaded = dataset(card.data.format).load(
            data_folder(card, arguments["data"]), card.data.split, card.data.options
        )
    except InputError as error:
        say(f"warning: {task.card['name']}: without pictures of the data: {error}")
        return TaskData(
            {}, {}, title, "The data was not found where it was: pictures and references of it are left out."
        )
    pictures = {picture.id: picture for example in loaded.examples for picture in example.pictures}
    pictures |= {picture.id: picture for picture in loaded.candidates}
    return TaskData({example.id: example for example in loaded.examples}, pictures, title)


def _gallery(task: str, context: str, cells: Sequence[tuple[RunReader, CellKey]], data: TaskData) -> Gallery:
    records: dict[str, Mapping[str, Any]] = {}
    outputs: dict[str, dict[str, dict[int, ShownOutput]]] = {}
    for run, key in cells:
        for sample in run.samples(key):
            example, seed = sample.key
            records.setdefault(example, sample.details)
            answers = data.examples[example].answers if example in data.examples else ()
            marks = tuple(name for name in ("flagged", "truncated") if getattr(sample, name))
            text = in_words(sample.output, answers)
            output = ShownOutput(seed, sample.picture, text, marks, sample.sha256)
            outputs.setdefault(example, {}).setdefault(key[1], {}).setdefault(seed, output)
    scores = _scores(cells)
    lost = _lost(cells, outputs)
    # Searches and rules store no samples; their examples are those with values.
    scored = (
        name for metric in scores for seeds in metric.by_model.values() for values in seeds.values() for name in values
    )
    names = dict.fromkeys([*records, *scored, *lost])
    order = {name: number for number, name in enumerate(data.examples)}
    examples = [
        replace(_gallery_example(name, records.get(name, {}), outputs.get(name, {}), data), lost=lost.get(name, {}))
        for name in sorted(
            names, key=lambda name: (order[name], []) if name in order else (len(order), _natural_order(name))
        )
    ]
    models = tuple(dict.fromkeys(key[1] for _, key in cells))
    return Gallery(task, data.title, context, models, examples, scores, data.note)


def _lost(
    cells: Sequence[tuple[RunReader, CellKey]], outputs: Mapping[str, Mapping[str, object]]
) -> dict[str, dict[str, tuple[Lost, ...]]]:
    """By example and model, the seeds without output; an example whose data is missing lacks outputs of every model."""
    lost_of: dict[str, dict[str, tuple[Lost, ...]]] = {}
    for run, key in cells:
        task, model, _ = key
        for item in run.results.unmade:
            if (item.task, item.model, item.context) == key:
                lost = Lost(_OUTCOME_WORDS[item.outcome], item.seeds, _reason_of(item))
                for name in item.examples:
                    of_model = lost_of.setdefault(name, {})
                    of_model[model] = (*of_model.get(model, ()), lost)
        for missing in run.results.missing:
            name = missing.example
            listed = model in outputs.get(name, {}) or model in lost_of.get(name, {})
            if missing.task == task and not listed and not name.startswith(_NOT_EXAMPLES):
                lost_of.setdefault(name, {})[model] = (Lost("missing", (), missing.reason),)
    return lost_of


def _reason_of(item: Unmade) -> str:
    return f"{item.reason} at {item.where}" if item.where else item.reason


def _gallery_example(
    name: str, record: Mapping[str, Any], outputs: Mapping[str, Mapping[int, ShownOutput]], data: TaskData
) -> GalleryExample:
    example = data.examples.get(name)
    prompt = [part if isinstance(part, str) else _prompt_picture(part, data) for part in record.get("prompt") or ()]
    if not prompt and example is not None:
        prompt = [turn.text for turn in example.turns]
    target = record.get("target") or (example.target.id if example is not None and example.target else "")
    return GalleryExample(
        name,
        str(record.get("cluster") or (example.cluster if example is not None else name)),
        tuple(prompt),
        _picture(target, data) if target else None,
        _right_answers(example) if example is not None else (),
        example.facts if example is not None else {},
        {model: tuple(by_seed[seed] for seed in sorted(by_seed)) for model, by_seed in outputs.items()},
    )


def _right_answers(example: Example) -> tuple[str, ...]:
    """The right texts: all answers of the example, or only the right one if models rank the answers."""
    if _RIGHT_ANSWER not in example.facts:
        return example.answers
    return example.answers[int(example.facts[_RIGHT_ANSWER]) :][:1]


def _prompt_picture(part: Mapping[str, Any], data: TaskData) -> PictureFile:
    name = str(part["picture"])
    return PictureFile(f"a grey picture instead of {name}", None) if part.get("blank") else _picture(name, data)


def _picture(name: str, data: TaskData) -> PictureFile:
    picture = data.pictures.get(name)
    return PictureFile(name, picture.file if picture is not None else None)


def _scores(cells: Sequence[tuple[RunReader, CellKey]]) -> list[ExampleScores]:
    by_metric: dict[str, dict[str, dict[int, dict[str, float]]]] = {}
    directions: dict[str, bool] = {}
    for run, key in cells:
        for metric in (metric for row_key, metric in run.rows if row_key == key):
            values = run.values(key, metric)
            if values is not None:
                directions[metric] = values.higher_is_better
                of_model = by_metric.setdefault(metric, {}).setdefault(key[1], {})
                for seed, by_example in values.by_seed.items():
                    of_model.setdefault(seed, by_example)
    return [ExampleScores(metric, directions[metric], by_model) for metric, by_model in by_metric.items()]


def in_words(output: Mapping[str, Any], answers: Sequence[str]) -> str | None:
    """The stored values of an output as text for a reader; None if it has no values.

    A text stays as it is. Scores of ranked answers become the best answers with their scores.

    >>> in_words({"text": " two dogs"}, ())
    ' two dogs'
    >>> in_words({"scores": [-3.5, -1.25]}, ("no", "yes"))
    'yes (-1.25); no (-3.5)'
    """
    parts = []
    for key, value in output.items():
        if isinstance(value, str):
            parts.append(value if key == "text" else f"{key}: {value}")
        elif isinstance(value, list):
            if len(value) == len(answers):
                best = sorted(enumerate(value), key=lambda item: -item[1])[:_MOST_RANKED_TEXTS]
                parts.append("; ".join(f"{answers[number]} ({score:.4g})" for number, score in best))
            else:
                parts.append(f"{key}: {len(value)} values")
        else:
            parts.append(f"{key}: {value:.4g}" if isinstance(value, float) else f"{key}: {value}")
    return "\n".join(parts) if parts else None


@dataclass(frozen=True, slots=True)
class SheetExample:
    """One example of a picture sheet, the grid that `gill-bench report --pictures` draws.

    Attributes:
        example: The example's id.
        turns: Texts of the example with their pictures, in order; the target picture is None.
        target: The picture that outputs are compared with; None if the task has none.
        outputs: The picture that each (model, context) made with one seed.
    """

    example: str
    turns: tuple[tuple[str, Image | None], ...]
    target: Image | None
    outputs: dict[tuple[str, str], Image]


def picture_sheet(run: Path, cells: list[Cell], count: int, seed: int = 0) -> list[SheetExample]:
    """The first examples for which every cell has a picture, at most one example of each cluster.

    Args:
        run: The run directory.
        cells: Cells of one task.
        count: The largest number of examples.
        seed: Seed of the pictures that are shown.
    """
    stored = [_generated_pictures(run, cell, seed) for cell in cells]
    sheet: list[SheetExample] = []
    clusters: set[str] = set()
    for example in cells[0].task.examples:
        if len(sheet) == count:
            break
        if example.cluster in clusters or not all(example.id in pictures for pictures in stored):
            continue
        clusters.add(example.cluster)
        turns = tuple(
            (turn.text, _load(turn.picture.file) if turn.picture and turn.picture != example.target else None)
            for turn in example.turns
        )
        target = _load(example.target.file) if example.target else None
        outputs = {cell.key[1:]: load_image(pictures[example.id]) for cell, pictures in zip(cells, stored, strict=True)}
        sheet.append(SheetExample(example.id, turns, target, outputs))
    return sheet


def _generated_pictures(run: Path, cell: Cell, seed: int) -> dict[str, Path]:
    return {
        sample.example: cell.folder(run) / name / sample.image
        for name in plan_cell(cell, run).done
        for sample in read_samples(cell.folder(run) / name)
        if sample.seed == seed and sample.image
    }


def _load(file: Path | None) -> Image | None:
    return None if file is None else load_image(file)
