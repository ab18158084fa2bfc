"""METEOR as NLTK computes it: exact words, Porter stems, WordNet synonyms (of stems); the best of the references.

Another metric than METEOR 1.5, with higher values, and likely that of some published tables (protocol 3.10). NLTK
leaves tokenising to its user. It is given the tokens that all other metrics are given: PTB, lower case, no punctuation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gill_bench.errors import InputError


def require_wordnet() -> None:
    """Check that NLTK and its WordNet data are there.

    Raises:
        InputError: They are not; says how to get them.
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
    """Mean over hypotheses, and the value of each (0 to 1), of `nltk.translate.meteor_score.meteor_score`.

    Args:
        hypotheses: Tokens joined by spaces.
        references: For each hypothesis one or more of the like.

    Raises:
        InputError: NLTK or its WordNet data are not there.
    """
    require_wordnet()
    from nltk.corpus import wordnet
    from nltk.translate.meteor_score import meteor_score

    each = [
        float(meteor_score([tokens.split() for tokens in several], hypothesis.split(), wordnet=wordnet))
        for hypothesis, several in zip(hypotheses, references, strict=True)
    ]
    return math.fsum(each) / len(each), each
