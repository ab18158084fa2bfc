"""What pages show of runs: every stored output beside what the model was given, the target, and the tests of models.

Texts and the order of pictures come from the stored samples, which hold what the model was given. The data only adds
what they do not hold: the pictures themselves, reference texts, and the order of the examples.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from gill_bench.analysis.compare import Side, compare_stored
from gill_bench.analysis.gallery import (
    ExampleScores,
    Gallery,
    GalleryExample,
    Lost,
    ModelTest,
    PictureFile,
    RunRecord,
    ShownOutput,
)
from gill_bench.datasets import Example, Picture, dataset
from gill_bench.errors import InputError
from gill_bench.planning.resolved import data_folder
from gill_bench.progress import say
from gill_bench.rundir.folder import read_sessions, task_from_entry
from gill_bench.rundir.reader import CellKey, RunReader
from gill_bench.rundir.rows import Outcome, Unmade
from gill_bench.statistics.significance import holm

_MOST_LISTED = 3  # of ranked texts
_WORDS: Mapping[Outcome, str] = {"failed": "failed", "refused": "refused", "not made": "not made yet"}
_NO_EXAMPLE = ("candidate ", "reference ")  # pictures that are listed among what is missing
_RIGHT = "gt_index"  # the fact that says which of an example's answers is right, where they are to be ranked


@dataclass(frozen=True)
class _Data:
    """What a task's data adds; empty where it is not at hand."""

    examples: Mapping[str, Example]
    pictures: Mapping[str, Picture]
    title: str
    note: str = ""


def galleries(runs: Sequence[RunReader], data: str | None = None) -> Iterator[Gallery]:
    """The galleries of runs taken together, one per task and context, one at a time in memory.

    Args:
        runs: Scored runs; of a sample that several have, the first counts.
        data: Where the data is now; None where it was. What is not there is left out, and the gallery says so.
    """
    known: dict[str, _Data] = {}
    for (task, context), places in _contexts(runs).items():
        run, place = places[0]
        name = next(cell["task_as"] for cell in run.spec["cells"] if _place(cell) == place)
        if name not in known:
            known = {name: _read_data(run, name, data)}
        made = _gallery(task, context, places, known[name])
        if made.examples:
            yield made


def model_tests(runs: Sequence[RunReader]) -> list[ModelTest]:
    """Every pair of models in every metric with values of single examples; Holm over the tests of a task.

    A pair that cannot be compared (nothing in common, computed in two ways) has none.
    """
    at = {place: run for run in reversed(runs) for place, _ in run.rows}
    models = {(at[place].folder, place[1]): at[place] for place in sorted(at)}
    found: list[ModelTest] = []
    for first, second in combinations(models, 2):
        if first[1] == second[1]:
            continue
        try:
            compared = compare_stored((models[first], models[second]), Side(*first), Side(*second), shown=0)
        except InputError:
            continue
        found += [
            ModelTest(one.task, one.context, one.metric, one.models, one.difference, one.p, one.p, one.better)
            for one in compared
        ]
    adjusted: list[ModelTest] = []
    for task in dict.fromkeys(one.task for one in found):
        own = [one for one in found if one.task == task]
        adjusted += [replace(one, p_holm=p) for one, p in zip(own, holm([one.p for one in own]), strict=True)]
    return adjusted


def record_of(run: RunReader) -> RunRecord:
    """Where a run's numbers come from.

    Raises:
        InputError: env.json is damaged.
    """
    sessions = read_sessions(run.folder)
    missing = [(one.task, one.example, one.reason) for one in run.results.missing]
    failed = [
        (item.task, item.model, item.context, name, f"{_WORDS[item.outcome]}: {_with_place(item)}", item.record)
        for item in run.results.unmade
        if item.reason
        for name in item.examples
    ]
    return RunRecord(_name_of(run.folder), run.spec, sessions, missing, failed)


def _name_of(folder: Path) -> str:
    """Its last part; of "." that of the folder that it stands for."""
    return folder.name or folder.resolve().name


def _place(cell: Mapping[str, Any]) -> CellKey:
    return cell["task"], cell["model"], cell["context"]


def _contexts(runs: Sequence[RunReader]) -> dict[tuple[str, str], list[tuple[RunReader, CellKey]]]:
    """The scored cells of each task and context."""
    found: dict[tuple[str, str], list[tuple[RunReader, CellKey]]] = {}
    for run in runs:
        for place in dict.fromkeys(place for place, _ in run.rows):
            if any(_place(cell) == place for cell in run.spec["cells"]):
                found.setdefault((place[0], place[2]), []).append((run, place))
    return dict(sorted(found.items(), key=lambda item: (item[0][0], _counting(item[0][1]))))


def _counting(name: str) -> list[tuple[int, str]]:
    """A key that sorts 2-rounds before 10-rounds."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"([0-9]+)", name)]


def _read_data(run: RunReader, name: str, data: str | None) -> _Data:
    entry = run.spec["tasks"][name]
    title = str(entry["card"].get("title", entry["card"]["name"]))
    try:
        asked = task_from_entry(run.folder, entry, data)
        card = asked["card"]
        loaded = dataset(card.data.format).load(data_folder(card, asked["data"]), card.data.split, card.data.options)
    except InputError as error:
        say(f"warning: {card_name(entry)}: without pictures of the data: {error}")
        return _Data({}, {}, title, "The data was not found where it was: pictures and references of it are left out.")
    pictures = {picture.id: picture for one in loaded.examples for picture in one.pictures}
    pictures |= {picture.id: picture for picture in loaded.candidates}
    return _Data({one.id: one for one in loaded.examples}, pictures, title)


def card_name(entry: Mapping[str, Any]) -> str:
    """The task's name in a spec's entry."""
    return str(entry["card"]["name"])


def _gallery(task: str, context: str, places: Sequence[tuple[RunReader, CellKey]], data: _Data) -> Gallery:
    records: dict[str, Mapping[str, Any]] = {}
    outputs: dict[str, dict[str, dict[int, ShownOutput]]] = {}
    for run, place in places:
        for sample in run.samples(place):
            example, seed = sample.key
            records.setdefault(example, sample.record)
            answers = data.examples[example].answers if example in data.examples else ()
            marks = tuple(name for name in ("flagged", "truncated") if sample.record.get(name))
            shown = ShownOutput(
                seed, sample.picture, in_words(sample.record.get("output", {}), answers), marks, sample.sha256
            )
            outputs.setdefault(example, {}).setdefault(place[1], {}).setdefault(seed, shown)
    scores = _scores(places)
    lost = _lost(places, outputs)
    # Where nothing is stored but values are known (searches, rules), the examples are those with values.
    scored = (name for one in scores for seeds in one.by_model.values() for each in seeds.values() for name in each)
    names = dict.fromkeys([*records, *scored, *lost])
    order = {name: number for number, name in enumerate(data.examples)}
    examples = [
        replace(_gallery_example(name, records.get(name, {}), outputs.get(name, {}), data), lost=lost.get(name, {}))
        for name in sorted(
            names, key=lambda name: (order[name], []) if name in order else (len(order), _counting(name))
        )
    ]
    models = tuple(dict.fromkeys(place[1] for _, place in places))
    return Gallery(task, data.title, context, models, examples, scores, data.note)


def _lost(
    places: Sequence[tuple[RunReader, CellKey]], outputs: Mapping[str, Mapping[str, object]]
) -> dict[str, dict[str, tuple[Lost, ...]]]:
    """By example and model what has no output, and why; an example whose data is missing lacks for every model."""
    found: dict[str, dict[str, tuple[Lost, ...]]] = {}
    for run, place in places:
        task, model, _ = place
        for item in run.results.unmade:
            if (item.task, item.model, item.context) == place:
                lost = Lost(_WORDS[item.outcome], item.seeds, _with_place(item))
                for name in item.examples:
                    of_model = found.setdefault(name, {})
                    of_model[model] = (*of_model.get(model, ()), lost)
        for missing in run.results.missing:
            name = missing.example
            shown = model in outputs.get(name, {}) or model in found.get(name, {})
            if missing.task == task and not shown and not name.startswith(_NO_EXAMPLE):
                found.setdefault(name, {})[model] = (Lost("missing", (), missing.reason),)
    return found


def _with_place(item: Unmade) -> str:
    return f"{item.reason} at {item.where}" if item.where else item.reason


def _gallery_example(
    name: str, record: Mapping[str, Any], outputs: Mapping[str, Mapping[int, ShownOutput]], data: _Data
) -> GalleryExample:
    example = data.examples.get(name)
    prompt = [part if isinstance(part, str) else _picture(part["picture"], data) for part in record.get("prompt") or ()]
    if not prompt and example is not None:
        prompt = [turn.text for turn in example.turns]
    target = record.get("target") or (example.target.id if example is not None and example.target else "")
    return GalleryExample(
        name,
        str(record.get("cluster") or (example.cluster if example is not None else name)),
        tuple(prompt),
        _picture(target, data) if target else None,
        _references(example) if example is not None else (),
        example.facts if example is not None else {},
        {model: tuple(made[seed] for seed in sorted(made)) for model, made in outputs.items()},
    )


def _references(example: Example) -> tuple[str, ...]:
    """The texts that are right: all answers, or the one that is to be ranked first."""
    if _RIGHT not in example.facts:
        return example.answers
    return example.answers[int(example.facts[_RIGHT]) :][:1]


def _picture(name: str, data: _Data) -> PictureFile:
    found = data.pictures.get(name)
    return PictureFile(name, found.file if found is not None else None)


def _scores(places: Sequence[tuple[RunReader, CellKey]]) -> list[ExampleScores]:
    by_metric: dict[str, dict[str, dict[int, dict[str, float]]]] = {}
    directions: dict[str, bool] = {}
    for run, place in places:
        for metric in (metric for other, metric in run.rows if other == place):
            values = run.values(place, metric)
            if values is not None:
                directions[metric] = values.higher_is_better
                own = by_metric.setdefault(metric, {}).setdefault(place[1], {})
                for seed, each in values.by_seed.items():
                    own.setdefault(seed, each)
    return [ExampleScores(metric, directions[metric], by_model) for metric, by_model in by_metric.items()]


def in_words(output: Mapping[str, Any], answers: Sequence[str]) -> str | None:
    """Stored values as a reader wants them: a text as it is, scores of given texts as the best of them; None of none.

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
            listed = list(enumerate(value))
            if len(value) == len(answers):
                best = sorted(listed, key=lambda item: -item[1])[:_MOST_LISTED]
                parts.append("; ".join(f"{answers[place]} ({score:.4g})" for place, score in best))
            else:
                parts.append(f"{key}: {len(value)} values")
        else:
            parts.append(f"{key}: {value:.4g}" if isinstance(value, float) else f"{key}: {value}")
    return "\n".join(parts) if parts else None
