"""The numbers of a cell as they are kept: `score-<metric>-<key>-<seed>.json` beside its units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gill_bench.metrics import Score
from gill_bench.planning.cells import Cell, plan_cell
from gill_bench.planning.metrics import ResolvedMetric
from gill_bench.progress import say
from gill_bench.rundir.load import read_cell_scores
from gill_bench.rundir.load_units import unit_content
from gill_bench.rundir.records import CellScores, Unit
from gill_bench.rundir.writer import write_scores
from gill_bench.scoring.number import Number
from gill_bench.storage.digests import digest
from gill_bench.storage.files import remove_temporary
from gill_bench.storage.sealed import DamagedFileError
from gill_bench.weights.find import file_digest


def numbers(cell: Cell, units: Mapping[str, Unit], run: Path, asked: ResolvedMetric) -> list[Number]:
    """What was written, if it was made of what is stored now."""
    content = content_of(cell, units, run)
    return [
        Number(
            asked.named(one.metric),
            seed,
            one.value,
            one.higher_is_better,
            one.scored,
            where=one.where,
            truncated=one.truncated,
            flagged=one.flagged,
            each=one.each,
            left_out=one.left_out,
            signature=one.signature,
        )
        for seed in cell.row_seeds
        for one in stored_scores(cell, run, asked, seed, content) or ()
    ]


def content_of(cell: Cell, units: Mapping[str, Unit], run: Path) -> str:
    """Digest of what a cell's numbers are made of: outputs, answers, targets, candidates, reference pictures."""
    parts: list[Any] = [cell.recipe_digest, cell.answers_digest]
    for name, unit in sorted(units.items()):
        parts.append([unit_content(cell.folder(run) / name), unit.examples])
    parts += [cell.task.checked[picture.id].sha256 for picture in cell.task.references]
    if cell.asks == "embeddings" and len({name for unit in units.values() for name, _ in unit.examples}) < len(
        cell.usable
    ):
        parts.append("the rest is ranked")  # which older versions did not do
    if cell.candidates is not None:
        parts.append(content_of(cell.candidates, plan_cell(cell.candidates, run).done, run))
    elif cell.asks == "embeddings" and (folder := cell.task.converted_candidates(cell.model)):
        parts.append(file_digest(folder / "embeddings.npy"))
    return digest(parts)


def store_scores(
    cell: Cell, run: Path, asked: ResolvedMetric, seed: int, content: str, scores: Sequence[Score]
) -> None:
    """Write the numbers of one seed."""
    write_scores(_file(cell, run, asked, seed), CellScores(asked.signature, content, tuple(scores)))


def remove_leftovers(cell: Cell, run: Path, asked: ResolvedMetric, seed: int) -> None:
    """Remove what a killed process left of this file, which nobody else is writing."""
    file = _file(cell, run, asked, seed)
    remove_temporary(file.parent, f".{file.name}.*.tmp")


def stored_scores(cell: Cell, run: Path, asked: ResolvedMetric, seed: int, content: str) -> Sequence[Score] | None:
    """The stored numbers of one seed; None if there are none, or if they were made of other content."""
    try:
        stored = read_cell_scores(_file(cell, run, asked, seed), "scored again")
    except FileNotFoundError:
        return None
    except DamagedFileError as error:
        say(f"warning: {error}")
        return None
    return stored.scores if stored.content == content else None


def _file(cell: Cell, run: Path, asked: ResolvedMetric, seed: int) -> Path:
    return cell.folder(run) / f"score-{asked.spec.name}-{asked.scores_key}-{seed}.json"
