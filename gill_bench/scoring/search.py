"""Searching among the candidates that a model embedded, unit by unit: never all of them in memory with all queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gill_bench.cards.find import Value
from gill_bench.datasets.controls import needs_donors
from gill_bench.errors import GillBenchError
from gill_bench.planning.cells import Cell, plan_cell
from gill_bench.rundir.load_units import read_samples, read_vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]


class Rank(NamedTuple):
    """Where the right one stands.

    Attributes:
        better: How many others are more similar.
        ties: How many others are exactly as similar; their order is taken to be random.
        masked: The right one was among those that are not searched, so it cannot be found.
    """

    better: int
    ties: int
    masked: bool


def ranks_of(cell: Cell, queries: Mapping[str, Vectors], run: Path, settings: Mapping[str, Value]) -> dict[str, Rank]:
    """The rank of each example's target picture among the candidates.

    Args:
        cell: The cell of the queries.
        queries: Embeddings of prompts by example id.
        run: The run directory.
        settings: `mask_seen`: pictures that come earlier in the example are not searched (protocol 3.5).
            `direction`: "text-to-image", or "image-to-text": the rank of each example's prompt among all prompts, by
            similarity to its picture (protocol 3.6).

    Returns:
        By example id, for those whose prompt and target have embeddings. The others, on which the model failed, are
        not searched either, and show in the row's counts. Empty where a candidate that is no example's target has no
        embedding, which would show in no count.

    Raises:
        GillBenchError: A target picture is not among the candidates.
    """
    import numpy as np

    from gill_bench.metrics.functional.ranking import ranks

    stored = _Candidates(cell, run)
    if not queries or cell.candidates is None:
        return {}
    targets = {name: _target(cell, name) for name in cell.usable}
    strange = [target for target in targets.values() if target not in stored.place and target not in stored.absent]
    if strange:
        raise GillBenchError(f"picture {strange[0]} is no candidate: the candidates stored are of other data")
    names = [name for name in queries if targets[name] in stored.place]
    if not names or not stored.absent.issubset(targets.values()):
        return {}
    texts = np.stack([queries[name] for name in names])
    places = np.array([stored.place[targets[name]] for name in names])
    if settings.get("direction") == "image-to-text":
        prompts = {name: place for place, name in enumerate(queries)}
        searched = np.stack(list(queries.values()))
        own = np.array([prompts[name] for name in names])
        found = ranks(stored.rows(places.tolist()), own, lambda: iter([searched]), [()] * len(names))
    else:
        seen = [stored.seen(cell, name) if settings.get("mask_seen") else () for name in names]
        found = ranks(texts, places, stored.blocks, seen)
    return {
        name: Rank(int(better), int(ties), bool(masked))
        for name, better, ties, masked in zip(names, found.better, found.ties, found.target_excluded, strict=True)
    }


def largest_similarities(cell: Cell, queries: Mapping[str, Vectors], run: Path) -> dict[str, float]:
    """The largest cosine similarity of each prompt to a candidate, by example id.

    Candidates are those embedded in the run or, where the task has none, those of which the model's embeddings were
    converted.

    Raises:
        InputError: The converted embeddings are damaged, or of another width than the model's.
    """
    import numpy as np

    from gill_bench.embeddings.store import read_embeddings

    converted = cell.task.converted_candidates(cell.model) if cell.candidates is None else None
    stored = _Candidates(cell, run)
    if not queries or not (converted or stored.complete):
        return {}
    texts = np.stack(list(queries.values())).astype(np.float64)
    if converted is not None:
        nearest = read_embeddings(converted).nearest(texts.astype(np.float32), 1)
        return dict(zip(queries, map(float, nearest.scores[:, 0]), strict=True))
    largest = np.full(len(texts), -np.inf)
    for block in stored.blocks():
        np.maximum(largest, (texts @ block.astype(np.float64).T).max(axis=1), out=largest)
    return dict(zip(queries, map(float, largest), strict=True))


class _Candidates:
    """The stored embeddings of a cell's candidates.

    Attributes:
        place: Of a picture id in the order in which the blocks come.
        absent: Ids of candidates that can be read and have no embedding.
        complete: Whether there are none such.
    """

    def __init__(self, cell: Cell, run: Path) -> None:
        self.place: dict[str, int] = {}
        self._units: list[tuple[Path, list[int]]] = []
        other = cell.candidates
        done = plan_cell(other, run).done if other is not None else {}
        for name, unit in sorted(done.items()):
            assert other is not None
            valid = {example for example, _ in unit.examples}
            rows = []
            for sample in read_samples(other.folder(run) / name):
                if sample.example in valid and sample.example not in self.place:
                    self.place[sample.example] = len(self.place)
                    rows.append(sample.row)
            self._units.append((other.folder(run) / name, rows))
        self.absent = set(other.usable) - self.place.keys() if other is not None else set()
        self.complete = other is not None and not self.absent

    def blocks(self) -> Iterator[Vectors]:
        """The embeddings, a unit at a time."""
        for folder, rows in self._units:
            if rows:
                yield read_vectors(folder)[rows]

    def rows(self, places: list[int]) -> Vectors:
        """The embeddings at some places."""
        import numpy as np

        wanted = dict.fromkeys(places)
        found: dict[int, Vectors] = {}
        start = 0
        for block in self.blocks():
            found |= {place: block[place - start] for place in wanted if start <= place < start + len(block)}
            start += len(block)
        return np.stack([found[place] for place in places])

    def seen(self, cell: Cell, name: str) -> list[int]:
        """Places of the pictures that come before an example's last turn, and of those that a control shows instead."""
        example = cell.usable[name][0]
        pictures = [turn.picture.id for turn in example.turns[:-1] if turn.picture is not None]
        if needs_donors(cell.context):
            shown = [part.id for part in cell.task.segments(example, cell.context) if not isinstance(part, str)]
            pictures += [picture for picture in dict.fromkeys(shown) if picture not in pictures]
        return [self.place[picture] for picture in pictures if picture in self.place]


def _target(cell: Cell, name: str) -> str:
    target = cell.usable[name][0].target
    assert target is not None
    return target.id
