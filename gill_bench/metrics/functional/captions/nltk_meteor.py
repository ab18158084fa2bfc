"""METEOR as NLTK computes it, from exact words, Porter stems and WordNet synonyms; the best reference counts.

NLTK's METEOR is another metric than METEOR 1.5, with higher values, and probably the one in some published tables
(protocol 3.10). NLTK leaves tokenising to its caller, who gives it the tokens of all other metrics: PTB, lower case, no
punctuation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gill_bench.errors import InputError


def require_wordnet() -> None:
    """Check that NLTK and its WordNet data are installed.

    Raises:
        InputError: NLTK or the data is missing; says how to install it.
    """
    try:
        from nltk.corpus import wordnet
    except ModuleNotFoundError as error:
        raise InputError("meteor = 'nltk' needs NLTK: pip install 'gill-bench[nltk]'") from error
    try:
        wordnet.ensure_loaded()
    except LookupError as error:
        raise InputError(
            "meteor = 'nltk' needs NLTK's WordNet data, which is not there: python -m nltk.downloader wordnet "
            "(other folders: set NLTK_DATA)"
        ) from error


def nltk_meteor(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, list[float]]:
    """NLTK's `meteor_score`: the mean over hypotheses, and the value of each hypothesis (0 to 1)."""
    require_wordnet()
    from nltk.corpus import wordnet
    from nltk.translate.meteor_score import meteor_score

    each = [
        float(meteor_score([tokens.split() for tokens in several], hypothesis.split(), wordnet=wordnet))
        for hypothesis, several in zip(hypotheses, references, strict=True)
    ]
    return math.fsum(each) / len(each), each
