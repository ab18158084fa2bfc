"""Several runs taken together, in which one model may have several names: one for each way in which it was run.

Names are given (`NAME=RUN:MODEL`), or made of what differs between the runs, such as "GILL, guidance 3.0".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gill_bench.analysis.side import Side
from gill_bench.cards.find import Cards
from gill_bench.errors import InputError, did_you_mean
from gill_bench.rundir.load import read_results, read_spec
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import RESULTS
from gill_bench.rundir.signatures import signature_differences
from gill_bench.storage.reading import has_controls, shorten

_MOST_FIELDS = 3
"""The most differences that a name holds; with more, the name of the run tells the runs apart."""


def named_runs(
    runs: Sequence[Path | RunReader], names: Mapping[str, str], cards: Cards
) -> tuple[list[RunReader], Cards]:
    """Open runs, and name the models that were run in several ways.

    Args:
        runs: Folders with a `results.json`, all of whose models are shown, or runs that are open already. A model that
            was run in several ways is named after what differs.
        names: Models that are shown besides, by the names that they are to have: `RUN:MODEL`, or `RUN` of one model.
        cards: The cards of models.

    Returns:
        The runs, and the cards, which know the models by their new names too.

    Raises:
        InputError: A folder holds no results, there is no such model, or a name is empty or taken.
    """
    readers = [
        run if isinstance(run, RunReader) else RunReader(run, read_results(run / RESULTS), read_spec(run))
        for run in runs
    ]
    aliases: dict[str, str] = {}
    renamed: list[dict[str, str]] = [{} for _ in readers]
    for model, numbers in _run_in_several_ways(readers).items():
        title = cards.model(model).title if model in cards.files["model"] else model
        for number, name in zip(numbers, _names_of(model, [readers[number] for number in numbers], title), strict=True):
            renamed[number][model] = name
            aliases[name] = model
    shown = [reader.named(each) for reader, each in zip(readers, renamed, strict=True)]
    taken = {row.model for reader in shown for row in reader.results.rows}
    for name, text in names.items():
        side = named_side(name, text, taken)
        shown.append(RunReader.open(side.run).named({side.model: name}, only=True))
        aliases[name] = side.model
        taken.add(name)
    return shown, cards.with_aliases(aliases)


def given_names(texts: Iterable[str]) -> dict[str, str]:
    """The names and models of texts `NAME=RUN:MODEL`, as `--as` has them.

    >>> given_names(["GILL, guidance 3.0=runs/second:gill"])
    {'GILL, guidance 3.0': 'runs/second:gill'}

    Raises:
        InputError: A text has another form, or a name is given twice.
    """
    names: dict[str, str] = {}
    for text in texts:
        name, equals, model = (part.strip() for part in text.partition("="))
        if not name or not equals or not model:
            raise InputError(f"--as {shorten(text)}: expected NAME=RUN:MODEL, such as 'GILL, second try=runs/b:gill'")
        if name in names:
            raise InputError(f"--as {shorten(text)}: the name {name!r} is given twice")
        names[name] = model
    return names


def side_of(text: str, names: Mapping[str, str]) -> Side:
    """The side of a comparison: one of the names, `RUN` or `RUN:MODEL`; raises as `named_side`."""
    return replace(named_side(text, names[text]), name=text) if text in names else Side.parse(text)


def named_side(name: str, text: str, taken: Iterable[str] = ()) -> Side:
    """The model that is to have a name.

    Args:
        name: The name.
        text: `RUN:MODEL`; the model may be left out if the run has one.
        taken: Names of other models.

    Raises:
        InputError: The run has no such model, or the name is taken, or holds characters that control a terminal.
    """
    side = Side.parse(text)
    models = sorted({key.model for key, _ in RunReader.open(side.run).rows})
    if not side.model and len(models) == 1:
        side = Side(side.run, models[0])
    if side.model not in models:
        which = f"no model {side.model!r}" if side.model else "several models"
        raise InputError(f"--as {name}={text}: {side.run} has {which}; {did_you_mean(side.model, models)}")
    if name in taken or has_controls(name):
        raise InputError(f"--as {name!r}: another model has this name, or it has control characters; choose another")
    return side


def _run_in_several_ways(readers: Sequence[RunReader]) -> dict[str, list[int]]:
    """Models of which two runs have different numbers, or that they ran in two ways, with the numbers of their runs."""
    signatures: dict[tuple[str, str], set[str]] = {}
    rows: dict[tuple[object, ...], object] = {}
    several: set[str] = set()
    of_model: dict[str, list[int]] = {}
    for number, reader in enumerate(readers):
        for row in reader.results.rows:
            ways = signatures.setdefault((row.task, row.model), set())
            ways.add(row.model_signature)
            same = rows.setdefault((row.cell_key, row.metric, row.seed), row) == row
            if len(ways) > 1 or not same:
                several.add(row.model)
            if number not in of_model.setdefault(row.model, []):
                of_model[row.model].append(number)
    return {model: of_model[model] for model in sorted(several) if len(of_model[model]) > 1}


def _names_of(model: str, readers: Sequence[RunReader], title: str) -> list[str]:
    """A name for the model in each run: its title with the settings that differ, or with the name of the run."""
    ways = [{row.task: row.model_signature for row in reader.results.rows if row.model == model} for reader in readers]
    fields: dict[str, None] = {}
    for first in ways:
        for second in ways:
            for task in first.keys() & second.keys():
                if first[task] != second[task]:
                    differences = signature_differences(first[task], second[task])
                    fields.update(dict.fromkeys(name for name, _, _ in differences))
    few = 0 < len(fields) <= _MOST_FIELDS
    settings = [_settings(way, list(fields)) if few else "" for way in ways]
    folders = [reader.folder.name or reader.folder.resolve().name for reader in readers]
    if len(set(folders)) < len(readers):
        folders = [str(reader.folder) for reader in readers]
    if len(set(folders)) < len(readers):
        folders = [str(number) for number in range(1, len(readers) + 1)]
    numbers = [
        {(row.cell_key, row.metric, row.seed): row for row in reader.results.rows if row.model == model}
        for reader in readers
    ]
    names = []
    for words, folder, own in zip(settings, folders, numbers, strict=True):
        alike = [other for other, other_words in zip(numbers, settings, strict=True) if other_words == words]
        contradicted = any(other[key] != own[key] for other in alike for key in own.keys() & other.keys())
        parts = [title, words, folder if contradicted else ""]
        names.append(", ".join(part for part in parts if part))
    return names


def _settings(ways: Mapping[str, str], fields: Sequence[str]) -> str:
    """The values of some fields of signatures, as words: "guidance 3.0"."""
    values: dict[str, dict[str, None]] = {name: {} for name in fields}
    for signature in ways.values():
        parts = dict(part.split(":", 1) for part in signature.split("|") if ":" in part)
        for name in fields:
            values[name][parts.get(name, "none")] = None
    return ", ".join(f"{_in_words(name)} {' and '.join(each)}" for name, each in values.items())


def _in_words(name: str) -> str:
    return name.removeprefix("weights.").removesuffix("_scale").replace("_", " ")
