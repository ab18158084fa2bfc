"""Search among the embedded candidates, unit by unit: never all candidates in memory with all queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gill_bench.cards.find import Value
from gill_bench.datasets.controls import needs_donors
from gill_bench.errors import GillBenchError
from gill_bench.planning.cells import Cell
from gill_bench.rundir.load_units import read_vectors
from gill_bench.scoring.stored import StoredCell

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]


class Rank(NamedTuple):
    """The rank of a target picture among the candidates.

    Attributes:
        better: How many others are more similar to the prompt.
        ties: How many others are exactly as similar; their order is taken to be random.
        masked: Whether the target is among the pictures that are not searched, so that it cannot be retrieved.
        others: How many others there are.
    """

    better: int
    ties: int
    masked: bool
    others: int


def ranks_of(stored: StoredCell, queries: Mapping[str, Vectors], settings: Mapping[str, Value]) -> dict[str, Rank]:
    """The rank of each example's target picture among the candidates.

    Args:
        stored: The cell of the queries.
        queries: Embeddings of prompts by example id.
        settings: `mask_seen`: pictures that come earlier in the example are not searched (protocol 3.5).
            `direction`: "text-to-image", or "image-to-text": the rank of each example's prompt among all prompts, by
            similarity to its picture (protocol 3.6).

    Returns:
        Ranks by example id, of examples whose prompt and target have embeddings. The others, on which the model failed,
        are not searched either, and the row counts them. Empty if a candidate that is no example's target has no
        embedding, since no count of a row would show that.

    Raises:
        GillBenchError: A target picture is not among the candidates.
    """
    import numpy as np

    from gill_bench.metrics.functional.ranking import ranks

    cell, candidates = stored.cell, _Candidates(stored.candidates)
    if not queries or cell.candidates is None:
        return {}
    targets = {name: _target(cell, name) for name in cell.usable}
    known = candidates.positions.keys() | candidates.absent
    unknown = next((target for target in targets.values() if target not in known), None)
    if unknown is not None:
        raise GillBenchError(f"target picture {unknown} is not among the stored candidates; did the data change?")
    names = [name for name in queries if targets[name] in candidates.positions]
    if not names or not candidates.absent.issubset(targets.values()):
        return {}
    positions = [candidates.positions[targets[name]] for name in names]
    if settings.get("direction") == "image-to-text":
        rows = {name: row for row, name in enumerate(queries)}
        prompts = np.stack(list(queries.values()))
        own_rows = np.array([rows[name] for name in names])
        result = ranks(candidates.at(positions), own_rows, lambda: iter([prompts]), [()] * len(names))
        others = [len(queries) - 1] * len(names)
    else:
        seen = [candidates.seen(cell, name) if settings.get("mask_seen") else () for name in names]
        prompts = np.stack([queries[name] for name in names])
        result = ranks(prompts, np.array(positions), candidates.blocks, seen)
        others = [
            len(candidates.positions) - len({*excluded, own}) for own, excluded in zip(positions, seen, strict=True)
        ]
    columns = (names, result.better, result.ties, result.target_excluded, others)
    return {
        name: Rank(int(better), int(ties), bool(masked), other)
        for name, better, ties, masked, other in zip(*columns, strict=True)
    }


def largest_similarities(stored: StoredCell, queries: Mapping[str, Vectors]) -> dict[str, float]:
    """The largest cosine similarity of each prompt to a candidate, by example id.

    The candidates are those that the run embedded or, if the task has no pictures of them, the embeddings that were
    converted for the model.

    Raises:
        InputError: The converted embeddings are damaged, or of another width than the model's.
    """
    import numpy as np

    from gill_bench.embeddings.store import read_embeddings

    cell, candidates = stored.cell, _Candidates(stored.candidates)
    converted = cell.task.converted_candidates(cell.model) if cell.candidates is None else None
    if not queries or not (converted or candidates.complete):
        return {}
    prompts = np.stack(list(queries.values())).astype(np.float64)
    if converted is not None:
        nearest = read_embeddings(converted).nearest(prompts.astype(np.float32), 1)
        return dict(zip(queries, map(float, nearest.scores[:, 0]), strict=True))
    largest = np.full(len(prompts), -np.inf)
    for block in candidates.blocks():
        np.maximum(largest, (prompts @ block.astype(np.float64).T).max(axis=1), out=largest)
    return dict(zip(queries, map(float, largest), strict=True))


class _Candidates:
    """The stored embeddings of candidates; without a cell there are none.

    Attributes:
        positions: The position of each candidate in the order of `blocks`, by picture id.
        absent: Ids of candidates that can be read and have no embedding.
        complete: Whether every candidate has an embedding.
    """

    def __init__(self, stored: StoredCell | None) -> None:
        self.positions: dict[str, int] = {}
        self._rows: list[tuple[Path, list[int]]] = []
        for unit in stored.units if stored is not None else ():
            rows = []
            for sample in unit.samples():
                if sample.example not in self.positions:
                    self.positions[sample.example] = len(self.positions)
                    rows.append(sample.row)
            self._rows.append((unit.folder, rows))
        self.absent = set(stored.cell.usable) - self.positions.keys() if stored is not None else set()
        self.complete = stored is not None and not self.absent

    def blocks(self) -> Iterator[Vectors]:
        """The embeddings, one unit after the other."""
        for folder, rows in self._rows:
            if rows:
                yield read_vectors(folder)[rows]

    def at(self, positions: list[int]) -> Vectors:
        """The embeddings at some positions."""
        import numpy as np

        wanted = dict.fromkeys(positions)
        vectors: dict[int, Vectors] = {}
        start = 0
        for block in self.blocks():
            end = start + len(block)
            vectors |= {position: block[position - start] for position in wanted if start <= position < end}
            start = end
        return np.stack([vectors[position] for position in positions])

    def seen(self, cell: Cell, name: str) -> list[int]:
        """The positions of the pictures before an example's last turn, and of those that a control shows instead."""
        example = cell.usable[name][0]
        pictures = [turn.picture.id for turn in example.turns[:-1] if turn.picture is not None]
        if needs_donors(cell.context):
            shown = [part.id for part in cell.task.segments(example, cell.context) if not isinstance(part, str)]
            pictures += [picture for picture in dict.fromkeys(shown) if picture not in pictures]
        return [self.positions[picture] for picture in pictures if picture in self.positions]


def _target(cell: Cell, name: str) -> str:
    target = cell.usable[name][0].target
    assert target is not None
    return target.id
