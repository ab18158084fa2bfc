"""Scoring all outputs of a cell together: texts, log-likelihoods, embeddings, decisions, times."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from gill_bench.files import digest, to_json, write_atomic
from gill_bench.metrics import CorpusMetricModule, Question, Reference, Score, metric
from gill_bench.progress import say
from gill_bench.runs.plan import Cell, plan_cell
from gill_bench.runs.scoring.asked import MetricAsked
from gill_bench.runs.scoring.number import Number
from gill_bench.runs.scoring.outputs import outputs_of
from gill_bench.runs.units import SAMPLES, VECTORS, Unit, file_hashes

Stored = tuple[Cell, Mapping[str, Unit]]


def score(asked: MetricAsked, mine: Sequence[Stored], run: Path) -> None:
    """Write a cell's numbers into `score-<metric>-<key>-<seed>.json` beside its units."""
    module = cast(CorpusMetricModule, metric(asked.spec.name))
    for cell, units in mine:
        content = _content(cell, units, run)
        for seed in cell.row_seeds:
            if _read(cell, run, asked, seed, content) is not None:
                continue
            references = {
                example.id: Reference(example.answers, example.facts) for example, _, _ in cell.asked.values()
            }
            question = Question(cell.asks, cell.context.name, seed)
            outputs = outputs_of(cell, units, run, asked.settings, seed)
            found = module.scores(outputs, references, asked.settings, question)
            _write(cell, run, asked, seed, content, found)


def numbers(cell: Cell, units: Mapping[str, Unit], run: Path, asked: MetricAsked) -> list[Number]:
    """The numbers that were written, if the outputs are still the same."""
    content = _content(cell, units, run)
    found = []
    for seed in cell.row_seeds:
        for one in _read(cell, run, asked, seed, content) or ():
            name = asked.named(one.metric)
            found.append(
                Number(name, seed, one.value, one.higher_is_better, one.scored, where=one.where, each=one.each)
            )
    return found


def _content(cell: Cell, units: Mapping[str, Unit], run: Path) -> str:
    """Digest of everything that the numbers are made of: outputs, references, candidates."""
    parts: list[Any] = [cell.recipe_digest]
    for name, unit in sorted(units.items()):
        hashes = file_hashes(cell.folder(run) / name)
        parts.append([hashes[SAMPLES], hashes.get(VECTORS, ""), unit.examples])
    parts += [[example.id, list(example.answers), dict(example.facts)] for example, _, _ in cell.asked.values()]
    if cell.candidates is not None:
        other = plan_cell(cell.candidates, run).done
        parts.append(_content(cell.candidates, other, run))
    return digest(parts)


def _file(cell: Cell, run: Path, asked: MetricAsked, seed: int) -> Path:
    return cell.folder(run) / f"score-{asked.spec.name}-{asked.key}-{seed}.json"


def _write(cell: Cell, run: Path, asked: MetricAsked, seed: int, content: str, found: Sequence[Score]) -> None:
    file = _file(cell, run, asked, seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    value = {"signature": asked.signature, "content": content, "scores": [asdict(one) for one in found]}
    write_atomic(file, (to_json(value) + "\n").encode())


def _read(cell: Cell, run: Path, asked: MetricAsked, seed: int, content: str) -> list[Score] | None:
    file = _file(cell, run, asked, seed)
    try:
        raw: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if raw["content"] != content:
            return None
        return [Score(**{**one, "where": tuple(one["where"]) if one["where"] else None}) for one in raw["scores"]]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        say(f"warning: {file}: damaged ({error!r}); scored again")
        return None
