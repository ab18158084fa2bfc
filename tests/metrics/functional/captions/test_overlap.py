"""ROUGE-L and CIDEr on cases done by hand."""

from __future__ import annotations

import pytest

from gill_bench.metrics.functional.captions.overlap import cider, rouge_l


def test_rouge_l_by_hand() -> None:
    mean, each = rouge_l(["a b c d", "x", ""], [["a c e", "d"], ["y"], ["z"]])
    precision, recall = 2 / 4, 1.0  # the best of each, of different references
    f = (1 + 1.2**2) * precision * recall / (recall + 1.2**2 * precision)
    assert each == pytest.approx([f, 0, 0])
    assert mean == pytest.approx(f / 3)


def test_cider_by_hand() -> None:
    mean, each = cider(["a b c d e", "v w x y z", "nothing of it"], [["a b c d e"], ["v w x y z"], ["p q r s t"]])
    assert each == pytest.approx([10, 10, 0])
    assert mean == pytest.approx(20 / 3)


def test_cider_without_a_word_or_of_one_caption_is_zero() -> None:
    assert cider(["a", ""], [[""], ["", ""]]) == (0, [0, 0])
    assert cider(["a b c d"], [["a b c d"]]) == (0, [0])
