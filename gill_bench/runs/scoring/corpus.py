"""Scoring all outputs of a cell together: texts, log-likelihoods, embeddings, decisions, times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from gill_bench.metrics import CorpusMetricModule, Question, Reference, metric
from gill_bench.runs.plan import Cell
from gill_bench.runs.scoring.asked import MetricAsked
from gill_bench.runs.scoring.kept import content_of, read_scores, write_scores
from gill_bench.runs.scoring.outputs import outputs_of
from gill_bench.runs.units import Unit


def score(asked: MetricAsked, stored: Sequence[tuple[Cell, Mapping[str, Unit]]], run: Path) -> None:
    """Write the numbers of cells that are not written yet."""
    module = cast(CorpusMetricModule, metric(asked.spec.name))
    for cell, units in stored:
        content = content_of(cell, units, run)
        for seed in cell.row_seeds:
            if read_scores(cell, run, asked, seed, content) is None:
                references = {
                    example.id: Reference(example.answers, example.facts) for example, _, _ in cell.asked.values()
                }
                outputs = outputs_of(cell, units, run, asked.settings, seed)
                question = Question(cell.asks, cell.context.name, seed)
                found = module.scores(outputs, references, asked.settings, question)
                write_scores(cell, run, asked, seed, content, found)
