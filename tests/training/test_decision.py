from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gill_bench.errors import InputError
from gill_bench.models.gill.decision import read_decision
from gill_bench.training.decision import save_decision, train_decision


def examples() -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float32]], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((80, 6)).astype(np.float32)
    return features, (features[:, 0] + features[:, 3] > 0).astype(np.int64)


def test_a_decision_model_learns_and_is_written_as_the_authors_do(tmp_path: Path) -> None:
    features, labels = examples()
    model = train_decision(features, labels, steps=400)
    decided = [decision.label == "retrieve" for decision in model(torch.from_numpy(features))]
    assert np.mean(np.array(decided) == labels) > 0.9
    weight, bias = read_decision(save_decision(model, tmp_path), 6)
    assert torch.equal(weight, model.weight)
    assert torch.equal(bias, model.bias)


def test_the_seed_alone_decides_the_trained_decision_model(tmp_path: Path) -> None:
    features, labels = examples()
    torch.manual_seed(1)
    first = train_decision(features, labels, steps=5)
    second = train_decision(features, labels, steps=5)
    assert torch.equal(first.weight, second.weight)
    assert not torch.equal(first.weight, train_decision(features, labels, steps=5, seed=1).weight)


@pytest.mark.parametrize("wrong", ["shape", "labels", "nan", "empty"])
def test_wrong_features_or_labels_are_refused(wrong: str) -> None:
    features, labels = examples()
    if wrong == "shape":
        labels = labels[:-1]
    elif wrong == "labels":
        labels = labels + 1
    elif wrong == "nan":
        features[0, 0] = np.nan
    else:
        features, labels = features[:0], labels[:0]
    with pytest.raises(InputError):
        train_decision(features, labels, steps=1)
