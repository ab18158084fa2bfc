"""Ranks and nearest candidates against full matrices in exact arithmetic, whatever the blocks, order and ties."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.retrieval import RetrievalMRR, RetrievalRecall

from gill_bench.embeddings import search
from gill_bench.errors import GillBenchError, InputError
from gill_bench.metrics.functional.ranking import (
    Ranks,
    blocks_of,
    hits_at,
    ranks,
    ranks_of_scores,
    recall_at,
    reciprocal_ranks,
    top_k,
)


def vectors(n: int, p: int, seed: int, kind: str = "normal") -> np.ndarray:
    """Rows of length 1; "near" ones differ in the last digits of float32, "coarse" ones often tie."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, p))
    if kind == "near":
        values = np.random.default_rng(99).normal(size=p) + 1e-6 * values
    if kind == "coarse":
        return np.round(values).astype(np.float32)
    unit: np.ndarray = values / np.linalg.norm(values, axis=1, keepdims=True)
    return unit.astype(np.float32)


def blocks(candidates: np.ndarray, rows: int) -> Callable[[], Iterator[np.ndarray]]:
    return lambda: blocks_of(candidates, rows)


def naive_scores(queries: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """The definition, one pair at a time in plain Python floats."""
    out = np.empty((len(queries), len(candidates)), np.float32)
    for row, query in enumerate(queries.tolist()):
        for column, candidate in enumerate(candidates.astype(np.float32).tolist()):
            total = 0.0
            for a, b in zip(query, candidate, strict=True):
                total += a * b
            out[row, column] = total
    return out


def naive_ranks(queries: np.ndarray, targets: np.ndarray, candidates: np.ndarray, excluded: list[list[int]]) -> Ranks:
    better, ties = [], []
    for row, scores in enumerate(naive_scores(queries, candidates)):
        out = {*excluded[row], int(targets[row])}
        others = [score for index, score in enumerate(scores) if index not in out]
        better.append(sum(score > scores[targets[row]] for score in others))
        ties.append(sum(score == scores[targets[row]] for score in others))
    inside = [int(target) in row for target, row in zip(targets, excluded, strict=True)]
    return Ranks(np.array(better), np.array(ties), np.array(inside))


def same(first: Ranks, second: Ranks) -> None:
    assert first.better.tolist() == second.better.tolist()
    assert first.ties.tolist() == second.ties.tolist()
    assert first.target_excluded.tolist() == second.target_excluded.tolist()


@pytest.mark.parametrize("kind", ["normal", "near", "coarse"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_ranks_equal_the_definition(kind: str, dtype: type) -> None:
    rng = np.random.default_rng(1)
    queries = vectors(12, 9, 2, kind)
    candidates: np.ndarray = vectors(60, 9, 3, kind).astype(dtype)
    candidates[40:] = candidates[:20]
    targets = rng.integers(0, 60, 12)
    excluded = [rng.integers(0, 60, 4).tolist() for _ in targets]
    excluded[5].append(int(targets[5]))
    expected = naive_ranks(queries, targets, candidates, excluded)
    assert expected.ties.any()
    assert expected.target_excluded[5]
    for rows in (1, 7, 60, 1000):
        same(ranks(queries, targets, blocks(candidates, rows), excluded), expected)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_neither_blocks_nor_order_nor_grouping_of_queries_matter(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["normal", "near", "coarse"]))
    n, m = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 50))
    p = data.draw(st.sampled_from([1, 3, 64]))
    queries, candidates = vectors(n, p, 4, kind), vectors(m, p, 5, kind)
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    candidates = candidates[rng.integers(0, m, m)]  # duplicates, in other blocks too
    targets = rng.integers(0, m, n)
    excluded = [rng.integers(0, m, 3).tolist() for _ in range(n)]
    whole = ranks(queries, targets, blocks(candidates, m), excluded)
    same(ranks(queries, targets, blocks(candidates, data.draw(st.integers(1, m))), excluded), whole)
    order = rng.permutation(m)
    label = np.argsort(order)
    moved = [label[row].tolist() for row in excluded]
    same(ranks(queries, label[targets], blocks(candidates[order], 7), moved), whole)
    alone = [
        ranks(queries[i : i + 1], targets[i : i + 1], blocks(candidates, 3), excluded[i : i + 1]) for i in range(n)
    ]
    assert [int(single.better[0]) for single in alone] == whole.better.tolist()
    assert [int(single.ties[0]) for single in alone] == whole.ties.tolist()


def test_ranks_are_exact_when_queries_and_candidates_are_cut_into_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough of both that queries and candidates are cut, and close enough that matrix products alone are wrong."""
    queries, candidates = vectors(120, 128, 6, "near"), vectors(1500, 128, 7, "near")
    targets = np.arange(120) * 8
    ranked = ranks(queries, targets, blocks(candidates, 1500))
    monkeypatch.setattr(search, "BLOCK", 50)
    monkeypatch.setattr(search, "_QUERIES", 33)
    same(ranks(queries, targets, blocks(candidates, 333)), ranked)
    some = [0, 17, 119]
    exact = np.array([[math.fsum(c * q) for c in candidates.astype(float)] for q in queries[some].astype(float)])
    scores = exact.astype(np.float32)
    own = scores[np.arange(3), targets[some]][:, None]
    assert ranked.better[some].tolist() == (scores > own).sum(axis=1).tolist()
    assert ranked.ties[some].tolist() == ((scores == own).sum(axis=1) - 1).tolist()
    product = queries @ candidates.T
    wrong = (product > np.take_along_axis(product, targets[:, None], axis=1)).sum(axis=1)
    assert (wrong != ranked.better).any()


def test_ties_are_expectations_over_a_random_order() -> None:
    ranked = Ranks(np.array([0, 1, 4, 0]), np.array([0, 2, 0, 0]), np.array([False, False, False, True]))
    assert hits_at(ranked, 1).tolist() == [1, 0, 0, 0]
    assert hits_at(ranked, 2).tolist() == [1, pytest.approx(1 / 3), 0, 0]
    assert hits_at(ranked, 5).tolist() == [1, 1, 1, 0]
    assert recall_at(ranked, 5) == 0.75
    assert reciprocal_ranks(ranked) == pytest.approx([1, (1 / 2 + 1 / 3 + 1 / 4) / 3, 1 / 5, 0])
    with pytest.raises(ValueError, match="at least 1"):
        hits_at(ranked, 0)


def test_a_constant_model_is_as_good_as_chance() -> None:
    ranked = ranks(np.ones((5, 3), np.float32), np.arange(5), blocks(np.ones((20, 3), np.float32), 6))
    assert recall_at(ranked, 1) == pytest.approx(1 / 20)
    assert recall_at(ranked, 10) == pytest.approx(1 / 2)
    assert reciprocal_ranks(ranked).mean() == pytest.approx(sum(1 / r for r in range(1, 21)) / 20)


def test_recall_and_reciprocal_ranks_are_those_of_torchmetrics() -> None:
    """Scores are positive, as torchmetrics needs, and have no ties."""
    scores = np.random.default_rng(8).random((30, 40))
    targets = np.random.default_rng(9).integers(0, 40, 30)
    ranked = ranks_of_scores(scores, targets)
    arguments = (
        torch.from_numpy(scores).flatten(),
        torch.from_numpy(np.arange(40) == targets[:, None]).flatten(),
    )
    rows = torch.arange(30).repeat_interleave(40)
    for k in (1, 5, 10):
        assert recall_at(ranked, k) == pytest.approx(float(RetrievalRecall(top_k=k)(*arguments, indexes=rows)))
    assert reciprocal_ranks(ranked).mean() == pytest.approx(float(RetrievalMRR()(*arguments, indexes=rows)), abs=1e-6)


@pytest.mark.parametrize("kind", ["normal", "near", "coarse"])
@pytest.mark.parametrize("k", [1, 5, 80])
def test_top_k_equals_a_sorted_matrix(kind: str, k: int) -> None:
    queries, candidates = vectors(11, 7, 10, kind), vectors(70, 7, 11, kind)
    candidates[30:50] = candidates[:20]
    scores = naive_scores(queries, candidates)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    for rows in (1, 4, 33, 70):
        nearest = top_k(queries, blocks_of(candidates, rows), k)
        assert nearest.indices.tolist() == expected.tolist()
        assert nearest.scores.tolist() == np.take_along_axis(scores, expected, axis=1).tolist()


def test_the_nearest_are_found_when_every_candidate_is_better_than_the_last() -> None:
    """Every candidate is better than all before it."""
    candidates = np.linspace(0.1, 1, 500, dtype=np.float32)[:, None]
    nearest = top_k(np.ones((1, 1), np.float32), blocks_of(candidates, 9), 3)
    assert nearest.indices.tolist() == [[499, 498, 497]]


def test_the_nearest_are_found_in_a_memory_map(tmp_path: Path) -> None:
    candidates = vectors(300, 16, 12).astype(np.float16)
    file = tmp_path / "embeddings.npy"
    np.save(file, candidates)
    queries = vectors(4, 16, 13)
    mapped = top_k(queries, blocks_of(np.load(file, mmap_mode="r"), 64), 5)
    assert mapped.indices.tolist() == np.argsort(-naive_scores(queries, candidates), kind="stable")[:, :5].tolist()


@pytest.mark.parametrize("scale", [1e-30, 1e-10, 1e15])
def test_ranks_are_exact_for_tiny_and_huge_scores(scale: float) -> None:
    """The scores include values below the smallest normal float32."""
    queries, candidates = vectors(6, 5, 14) * np.float32(scale), vectors(30, 5, 15)
    candidates[::2] *= np.float32(1e-9)
    targets = np.arange(6)
    same(ranks(queries, targets, blocks(candidates, 4)), naive_ranks(queries, targets, candidates, [[]] * 6))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_not_finite_are_refused(bad: float) -> None:
    queries, candidates = vectors(3, 4, 16), vectors(9, 4, 17)
    broken = candidates.copy()
    broken[7, 2] = bad
    with pytest.raises(GillBenchError, match="not finite"):
        ranks(queries, np.arange(3), blocks(broken, 2))
    with pytest.raises(GillBenchError, match="not finite"):
        top_k(queries, blocks_of(broken, 2), 1)
    queries[1, 0] = bad
    with pytest.raises(GillBenchError, match="query 1"):
        ranks(queries, np.arange(3), blocks(candidates, 2))
    with pytest.raises(GillBenchError, match="not finite"):
        top_k(queries, blocks_of(candidates, 2), 1)
    with pytest.raises(GillBenchError, match="row 0"):
        ranks_of_scores(np.array([[0.0, bad]]), np.array([0]))


def test_targets_and_queries_that_do_not_fit_the_candidates_are_refused() -> None:
    queries, candidates = vectors(2, 4, 18), vectors(5, 4, 19)
    with pytest.raises(InputError, match="query 1: no candidate 5, there are 5"):
        ranks(queries, np.array([0, 5]), blocks(candidates, 2))
    with pytest.raises(InputError, match="query 0: no candidate -1"):
        ranks(queries, np.array([0, 1]), blocks(candidates, 2), [[-1], []])
    with pytest.raises(InputError, match="no candidate 2"):
        ranks_of_scores(np.zeros((1, 2)), np.array([2]))
    with pytest.raises(ValueError, match="2 queries"):
        ranks(queries, np.array([0]), blocks(candidates, 2))
    with pytest.raises(ValueError, match="sets of excluded candidates; expected a target"):
        ranks(queries, np.array([0, 1]), blocks(candidates, 2), [[1]])
    with pytest.raises(ValueError, match="float64"):
        ranks(queries.astype(float), np.array([0, 1]), blocks(candidates, 2))
    with pytest.raises(ValueError, match=r"\(rows, 4\)"):
        top_k(queries, blocks_of(candidates[:, :3]), 1)
    with pytest.raises(ValueError, match="k is 0"):
        top_k(queries, blocks_of(candidates), 0)


def test_candidates_that_change_between_passes_are_refused() -> None:
    passes = iter([vectors(5, 4, 20), vectors(4, 4, 20)])
    with pytest.raises(GillBenchError, match="gave 4 of them, the first 5"):
        ranks(vectors(1, 4, 21), np.array([0]), lambda: blocks_of(next(passes)))
