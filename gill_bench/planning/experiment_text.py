"""Requests written as a file that `gill-bench run` takes: with `--save`, and into every run directory."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from gill_bench.cards.find import merge, read_toml
from gill_bench.cards.schema import ModelCard
from gill_bench.errors import InputError
from gill_bench.planning.experiment import KEYS, RUNS, read_experiment
from gill_bench.planning.request import RunRequest
from gill_bench.planning.selection import setting_value
from gill_bench.progress import say
from gill_bench.rundir.records import EXPERIMENT
from gill_bench.storage.paths import PROTOCOL, is_remote
from gill_bench.storage.reading import shorten
from gill_bench.storage.toml import to_toml
from gill_bench.weights.find import MINI


def saved_experiment(file: Path, requests: Sequence[RunRequest]) -> str:
    """The text of a file with requests; absolute paths stay as they are."""
    tables = [experiment_of(request, file.parent, absolute=True) for request in requests]
    return experiment_text(
        tables, "gill-bench run with the name of this file. Relative paths are relative to this file."
    )


def experiment_of(request: RunRequest, folder: Path, *, absolute: bool) -> dict[str, Any]:
    """The content of a file that describes a request.

    Args:
        request: The request.
        folder: The folder of the file, from which paths are seen.
        absolute: Whether absolute paths stay as they are.
    """
    usual = {field.name: field.default for field in fields(RunRequest)}
    table: dict[str, Any] = {}
    for word, key in KEYS.items():
        value = getattr(request, key.option)
        always = word in ("tasks", "models", "data", "weights", "out")
        if word in ("devices", "set") or (not always and value == usual[key.option]):
            continue
        if word == "settings":
            table[word] = _settings_table(value)
        elif word == "no-locks":
            table[word] = not value
        elif word == "shard":
            table[word] = "{}/{}".format(*value)
        elif isinstance(value, tuple):
            named = [item.name if isinstance(item, ModelCard) else item for item in value]
            table[word] = [
                _seen_from(folder, str(item), absolute) if key.is_path(str(item)) else item for item in named
            ]
        elif isinstance(value, str | Path) or is_remote(value):
            table[word] = _seen_from(folder, str(value), absolute) if key.is_path(str(value)) else value
        else:
            table[word] = value
    return table


def experiment_text(tables: Sequence[Mapping[str, Any]], comment: str) -> str:
    """The text of a file with one or several runs."""
    content = tables[0] if len(tables) == 1 else {RUNS: list(tables)}
    return "".join(f"# {line}\n" for line in comment.splitlines()) + "\n" + to_toml(content)


def stored_experiment(run: Path, request: RunRequest, *, whole: bool) -> str:
    """The text of `experiment.toml` of a run directory, after a command has been added.

    Args:
        run: The run directory.
        request: The request of the command.
        whole: Whether every cell of the run is one of this command, so that earlier commands need not be repeated.
    """
    table = experiment_of(request, run, absolute=False)
    table.pop("shard", None)  # all parts together make the run
    earlier = [] if whole else _earlier(run)
    same = ("tasks", "models", "contexts")
    kept = [old for old in earlier if [old.get(key) for key in same] != [table.get(key) for key in same]]
    given = [model.name for model in request.models if isinstance(model, ModelCard)]
    comment = (
        f"This run as a file: gill-bench run {EXPERIMENT} --out ELSEWHERE repeats it. Paths are relative to this file."
    )
    if given:
        comment += f"\n{', '.join(given)}: from Python, where no file can name it; that part is repeated from there."
    return experiment_text([*kept, table], comment)


def _earlier(run: Path) -> list[dict[str, Any]]:
    """The tables of the runs in a run directory's `experiment.toml`, as they stand there."""
    file = run / EXPERIMENT
    if not file.exists():
        return []
    try:
        read_experiment(file)
        content = read_toml(file)
    except InputError as error:
        say(f"warning: {error}; the file is written anew, with this command alone")
        return []
    tables = content.pop(RUNS, [{}])
    return [merge(content, table) for table in tables]


def _settings_table(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = {}
    for text in texts:
        target, _, value = text.partition("=")
        card, _, key = target.rpartition(".")
        table.setdefault(card, {})[key] = setting_value(value, f"--set {shorten(target)}")
    return table


def _seen_from(folder: Path, text: str, absolute: bool) -> str:
    """A path as seen from the folder of the file; from the current folder, if that folder is in an object store."""
    if text == MINI or PROTOCOL.match(text) or (absolute and Path(text).is_absolute()):
        return text
    if is_remote(folder):
        return text
    relative = Path(os.path.relpath(text, folder)).as_posix()
    return f"./{relative}" if relative == MINI else relative
