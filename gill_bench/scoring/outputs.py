"""What a corpus metric is given of a cell: by example id a text, scores, a rank, a similarity, a decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gill_bench.cards.find import Value
from gill_bench.planning.cells import Cell
from gill_bench.rundir.load_units import read_samples, read_vectors
from gill_bench.rundir.records import Sample, Unit
from gill_bench.scoring.search import largest_similarities, ranks_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def outputs_of(
    cell: Cell, units: Mapping[str, Unit], run: Path, settings: Mapping[str, Value], seed: int
) -> dict[str, Any]:
    """A cell's outputs by example id, in the order of the data.

    Embeddings become a rank among the candidates, or, without a right one, the largest similarity to them; decision
    features become the probability of "retrieve" by a classifier that is trained on the data's train part with this
    seed, or nothing while an example of that part has none; where nothing is asked, the model's rule stands for every
    output.
    """
    if cell.asks == "nothing":
        return dict.fromkeys(cell.usable, str(cell.recipe["settings"]["rule"]))
    if cell.asks == "embeddings":
        vectors = _vectors(cell, units, run)
        targets = any(example.target is not None for example, _, _ in cell.usable.values())
        return ranks_of(cell, vectors, run, settings) if targets else largest_similarities(cell, vectors, run)
    if cell.asks == "features":
        return _retrieve_probabilities(cell, _vectors(cell, units, run), seed)
    found = {sample.example: sample.output for _, sample in _samples(cell, units, run)}
    kept = {name: found[name] for name in cell.usable if name in found}
    field = {"texts": "text", "scores": "scores", "decisions": "probability"}.get(cell.asks)
    return {name: values[field] if field else dict(values) for name, values in kept.items()}


def _samples(cell: Cell, units: Mapping[str, Unit], run: Path) -> Iterator[tuple[Path, Sample]]:
    for name, unit in sorted(units.items()):
        valid = {example for example, _ in unit.examples}
        folder = cell.folder(run) / name
        for sample in read_samples(folder):
            if sample.example in valid:
                yield folder, sample


def _vectors(cell: Cell, units: Mapping[str, Unit], run: Path) -> dict[str, NDArray[np.float32]]:
    """By example id, in the order of the data."""
    found: dict[str, NDArray[np.float32]] = {}
    folder, rows = None, None
    for place, sample in _samples(cell, units, run):
        if place != folder:
            folder, rows = place, read_vectors(place)
        assert rows is not None
        found[sample.example] = rows[sample.row]
    return {name: found[name] for name in cell.usable if name in found}


def _retrieve_probabilities(cell: Cell, features: Mapping[str, NDArray[np.float32]], seed: int) -> dict[str, float]:
    import numpy as np

    from gill_bench.training.decision import SEED, train_decision

    facts = {name: example.facts for name, (example, _, _) in cell.usable.items()}
    train = [name for name in facts if facts[name]["part"] == "train"]
    test = [name for name in features if facts[name]["part"] == "test"]
    if not train or not test or any(name not in features for name in train):
        return {}
    labels = np.array([facts[name]["label"] == "ret" for name in train], dtype=np.int64)
    model = train_decision(np.stack([features[name] for name in train]), labels, seed=SEED + seed)
    import torch

    decisions = model(torch.from_numpy(np.stack([features[name] for name in test])))
    return {name: one.probability for name, one in zip(test, decisions, strict=True)}
