"""The outputs that a corpus metric is given: for each example a text, log-likelihoods, a rank or a probability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gill_bench.cards.find import Value
from gill_bench.planning.cells import Cell
from gill_bench.rundir.load_units import read_vectors
from gill_bench.scoring.search import largest_similarities, ranks_of
from gill_bench.scoring.stored import StoredCell

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FIELD = {"texts": "text", "scores": "scores", "decisions": "probability"}
"""By output kind, the key of the stored output that a metric is given; other kinds are given all keys."""


def outputs_of(stored: StoredCell, settings: Mapping[str, Value], seed: int) -> dict[str, Any]:
    """A cell's outputs by example id, in the order of the data.

    Embeddings become the rank of the target picture among the candidates or, without a target, the largest similarity
    to a candidate. Decision features become the probability of "retrieve": a classifier is trained with this seed on
    the data's train part, as soon as every example of that part has features. If nothing is asked of a model, its rule
    is the output of each example.
    """
    cell = stored.cell
    if cell.asks == "nothing":
        return dict.fromkeys(cell.usable, str(cell.recipe["settings"]["rule"]))
    if cell.asks == "embeddings":
        vectors = _vectors(stored)
        targets = any(example.target is not None for example, _, _ in cell.usable.values())
        return ranks_of(stored, vectors, settings) if targets else largest_similarities(stored, vectors)
    if cell.asks == "features":
        return _retrieve_probabilities(cell, _vectors(stored), seed)
    outputs = {sample.example: sample.output for unit in stored.units for sample in unit.samples()}
    field = _FIELD.get(cell.asks)
    return {name: outputs[name][field] if field else dict(outputs[name]) for name in cell.usable if name in outputs}


def _vectors(stored: StoredCell) -> dict[str, NDArray[np.float32]]:
    """The vectors by example id, in the order of the data."""
    vectors: dict[str, NDArray[np.float32]] = {}
    for unit in stored.units:
        samples = unit.samples()
        if samples:
            rows = read_vectors(unit.folder)
            vectors |= {sample.example: rows[sample.row] for sample in samples}
    return {name: vectors[name] for name in stored.cell.usable if name in vectors}


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
    return {name: decision.probability for name, decision in zip(test, decisions, strict=True)}
