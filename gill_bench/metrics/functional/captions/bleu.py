"""BLEU-1 to BLEU-4 (Papineni et al. 2002), as the COCO evaluation and as torchmetrics compute it."""

from __future__ import annotations

from collections.abc import Sequence

_ORDERS = 4


def coco_bleu(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[list[float], list[list[float]]]:
    """BLEU-1 to BLEU-4 as in pycocoevalcap 1.2: four values of the corpus, and for each of the four one per hypothesis.

    Each hypothesis is compared with the reference of the closest length (the shorter of two equally close ones). If no
    n-gram agrees, the smoothing of pycocoevalcap (1e-15, 1e-9) gives a value slightly above 0.

    Returns:
        Values from 0 to 1.

    >>> corpus, each = coco_bleu(["two red squares", "a dog"], [["two red squares"], ["a cat"]])
    >>> [round(value, 3) for value in corpus], [round(value, 3) for value in each[0]]
    ([0.8, 0.73, 0.811, 0.027], [1.0, 0.5])
    """
    from pycocoevalcap.bleu.bleu import Bleu

    predicted = {number: [hypothesis] for number, hypothesis in enumerate(hypotheses)}
    expected = {number: list(several) for number, several in enumerate(references)}
    corpus, each = Bleu(_ORDERS).compute_score(expected, predicted, verbose=0)
    return [float(value) for value in corpus], [[float(value) for value in values] for values in each]


def torchmetrics_bleu(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """BLEU-1 to BLEU-4 of the corpus, 0 to 1, by `torchmetrics.functional.text.bleu_score` without smoothing.

    GILL's own validation computes BLEU this way (protocol 2.8): texts are not tokenised, only split at white space. If
    two references are equally close in length, the first counts, so the value depends on the order of references.

    Args:
        predictions: Texts, not tokens.
        references: For each prediction one or more texts.

    >>> [round(value, 3) for value in torchmetrics_bleu(["two red squares"], [["two red squares on a table"]])]
    [0.368, 0.368, 0.368, 0.0]
    """
    from torchmetrics.functional.text import bleu_score

    several = [list(texts) for texts in references]
    return [float(bleu_score(list(predictions), several, n_gram=order)) for order in range(1, _ORDERS + 1)]
