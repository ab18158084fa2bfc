"""ROUGE-L (Lin 2004) and CIDEr (Vedantam et al. 2015), as pycocoevalcap 1.2 computes them."""

from __future__ import annotations

from collections.abc import Sequence


def rouge_l(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, list[float]]:
    """Mean, and the value of each hypothesis (0 to 1): F with beta 1.2 of the best precision and the best recall.

    Two empty texts agree.

    Args:
        hypotheses: Tokens joined by single spaces.
        references: For each hypothesis one or more of the like.
    """
    from pycocoevalcap.rouge.rouge import Rouge

    mean, each = Rouge().compute_score(*_by_place(hypotheses, references))
    return float(mean), [float(value) for value in each]


def cider(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, list[float]]:
    """Mean, and the value of each hypothesis (0 to 10).

    How rare an n-gram is, is counted over the references given: values of different sets of captions do not compare,
    and of a single caption the value is 0.

    Args:
        hypotheses: Tokens joined by spaces.
        references: For each hypothesis one or more of the like.
    """
    from pycocoevalcap.cider.cider import Cider

    if not any(tokens.strip() for several in references for tokens in several):
        return 0.0, [0.0] * len(hypotheses)  # pycocoevalcap fails without a single word
    mean, each = Cider().compute_score(*_by_place(hypotheses, references))
    return float(mean), [float(value) for value in each]


def _by_place(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    expected = {place: list(several) for place, several in enumerate(references)}
    return expected, {place: [hypothesis] for place, hypothesis in enumerate(hypotheses)}
