"""ROUGE-L (Lin 2004) and CIDEr (Vedantam et al. 2015), as pycocoevalcap 1.2 computes them."""

from __future__ import annotations

from collections.abc import Sequence


def rouge_l(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, list[float]]:
    """ROUGE-L: the mean over hypotheses, and the value of each hypothesis (0 to 1).

    A value is the F measure with beta 1.2 of the best precision and the best recall over the references. If hypothesis
    and reference are both empty, both are 1.

    >>> rouge_l(["two red squares"], [["two squares", "a red square"]])
    (0.8299319727891156, [0.8299319727891156])
    """
    from pycocoevalcap.rouge.rouge import Rouge

    mean, each = Rouge().compute_score(*_by_number(hypotheses, references))
    return float(mean), [float(value) for value in each]


def cider(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, list[float]]:
    """CIDEr: the mean over hypotheses, and the value of each hypothesis (0 to 10).

    The rarity of an n-gram is counted over the given references. So values of different sets of captions cannot be
    compared, and a set of one caption has the value 0.

    >>> mean, each = cider(["two red squares", "a dog"], [["two red squares"], ["a cat"]])
    >>> round(mean, 3), [round(value, 3) for value in each]
    (4.375, [7.5, 1.25])
    """
    from pycocoevalcap.cider.cider import Cider

    if not any(tokens.strip() for several in references for tokens in several):
        return 0.0, [0.0] * len(hypotheses)  # pycocoevalcap fails if no reference has a word
    mean, each = Cider().compute_score(*_by_number(hypotheses, references))
    return float(mean), [float(value) for value in each]


def _by_number(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    expected = {number: list(several) for number, several in enumerate(references)}
    return expected, {number: [hypothesis] for number, hypothesis in enumerate(hypotheses)}
