"""What a reader wants to see of an example: its context, the truth, and what each model made of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL.Image import Image

from gill_bench.planning.cells import Cell, plan_cell
from gill_bench.rundir.units import read_samples
from gill_bench.storage.images import load_image


@dataclass(frozen=True, slots=True)
class SheetExample:
    """One example.

    Attributes:
        example: Its id.
        turns: Texts with their pictures, in order; without the target.
        target: The reference picture, or None.
        outputs: What each cell made of it with one seed, by (model, context).
    """

    example: str
    turns: tuple[tuple[str, Image | None], ...]
    target: Image | None
    outputs: dict[tuple[str, str], Image]


def exhibits(run: Path, cells: list[Cell], count: int, seed: int = 0) -> list[SheetExample]:
    """The first examples of a run that every cell has, spread over clusters: one of each.

    Args:
        run: The run directory.
        cells: Cells of one task.
        count: Examples at most.
        seed: Of the outputs shown.
    """
    stored = [_outputs(run, cell, seed) for cell in cells]
    found: list[SheetExample] = []
    clusters: set[str] = set()
    task = cells[0].task
    for example in task.examples:
        if len(found) == count:
            break
        if example.cluster in clusters or not all(example.id in outputs for outputs in stored):
            continue
        clusters.add(example.cluster)
        found.append(
            SheetExample(
                example.id,
                tuple(
                    (turn.text, _load(turn.picture.file) if turn.picture and turn.picture != example.target else None)
                    for turn in example.turns
                ),
                _load(example.target.file) if example.target else None,
                {cell.name[1:]: load_image(outputs[example.id]) for cell, outputs in zip(cells, stored, strict=True)},
            )
        )
    return found


def _outputs(run: Path, cell: Cell, seed: int) -> dict[str, Path]:
    return {
        sample.example: cell.folder(run) / name / sample.image
        for name in plan_cell(cell, run).done
        for sample in read_samples(cell.folder(run) / name)
        if sample.seed == seed and sample.image
    }


def _load(file: Path | None) -> Image | None:
    return None if file is None else load_image(file)
