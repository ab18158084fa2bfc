"""Java, which some of these tests need, and pycocoevalcap's own evaluation to compare with."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from gill_bench.metrics.functional.captions.java import require_java


@pytest.fixture(scope="session")
def java() -> str:
    if shutil.which("java") is None:
        pytest.skip("no Java on PATH")
    return require_java()


@pytest.fixture(scope="session")
def original_meteor(java: str) -> Iterator[Any]:
    """METEOR of pycocoevalcap itself, started once, since that takes ten seconds of a processor."""
    from pycocoevalcap.meteor.meteor import Meteor

    meteor = Meteor()
    yield meteor
    meteor.meteor_p.stdout.close()
    meteor.meteor_p.stderr.close()


def reference_tokens(captions: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    given = {id_: [{"caption": text} for text in texts] for id_, texts in captions.items()}
    tokens: dict[str, list[str]] = PTBTokenizer().tokenize(given)
    return tokens


def reference_scores(
    predictions: Mapping[str, str], references: Mapping[str, Sequence[str]], meteor: Any = None
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """The scores of `COCOEvalCap.evaluate` without SPICE: those of the corpus, and each caption's by metric and id.

    METEOR is among them if `original_meteor` is given.
    """
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    gts = reference_tokens(references)
    res = reference_tokens({id_: [text] for id_, text in predictions.items()})
    corpus: dict[str, float] = {}
    each: dict[str, dict[str, float]] = {}
    with contextlib.redirect_stdout(None):
        bleus, of_each = Bleu(4).compute_score(gts, res)
        for order in range(4):
            corpus[f"bleu-{order + 1}"] = bleus[order]
            each[f"bleu-{order + 1}"] = dict(zip(gts, of_each[order], strict=True))
        scorers = {"rouge-l": Rouge(), "cider": Cider(), **({} if meteor is None else {"meteor": meteor})}
        for name, scorer in scorers.items():
            corpus[name], values = scorer.compute_score(gts, res)
            each[name] = dict(zip(gts, values, strict=True))
    return corpus, each
