"""BLEU as the COCO evaluation and as torchmetrics compute it, on cases done by hand."""

from __future__ import annotations

import math

import pytest

from gill_bench.metrics.functional.captions.bleu import coco_bleu, torchmetrics_bleu


def test_bleu_of_the_coco_evaluation_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    corpus, each = coco_bleu(["the the cat", "a b c d e"], [["the cat", "cat the"], ["a b c d e f g"]])
    # Words: 2 of 3 ("the" counts once) and 5 of 5. Lengths: 8 against 2 + 7.
    penalty = math.exp(1 - 9 / 8)
    assert corpus[0] == pytest.approx(7 / 8 * penalty, rel=1e-6)
    assert corpus[1] == pytest.approx(math.sqrt(7 / 8 * 5 / 6) * penalty, rel=1e-6)
    assert [values[1] for values in each] == pytest.approx([math.exp(1 - 7 / 5)] * 4, rel=1e-6)
    assert each[0][0] == pytest.approx(2 / 3, rel=1e-6)
    assert capsys.readouterr() == ("", "")


def test_coco_takes_the_shorter_of_two_references_that_are_equally_close() -> None:
    for references in (["a b c", "x"], ["x", "a b c"]):
        assert coco_bleu(["a b"], [references])[0][0] == pytest.approx(1, rel=1e-6)


def test_torchmetrics_takes_texts_unchanged_and_the_first_of_equally_close_references() -> None:
    assert torchmetrics_bleu(["A cat."], [["a cat ."]])[0] == 0
    assert torchmetrics_bleu(["a b"], [["x", "a b c"]])[0] == pytest.approx(1)
    assert torchmetrics_bleu(["a b"], [["a b c", "x"]])[0] == pytest.approx(math.exp(-0.5), rel=1e-6)
    assert torchmetrics_bleu(["a b c d", ""], [["a b c d"], ["e"]]) == pytest.approx([math.exp(-0.25)] * 4, rel=1e-6)
