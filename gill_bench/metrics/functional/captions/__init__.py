"""Scores of captions against reference captions: BLEU, METEOR, ROUGE-L, CIDEr, as the COCO evaluation computes them.

The values are those of pycocoevalcap 1.2's `COCOEvalCap` without SPICE (protocol 3.10). That class is not called as a
whole because captions with odd line breaks shift its values to other pictures, and it tokenises references again for
each model.

In the modules of this folder, a hypothesis is a text of tokens with single spaces between them, and references are one
or more such texts for each hypothesis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from gill_bench.errors import InputError
from gill_bench.metrics.functional.captions.bleu import coco_bleu, torchmetrics_bleu
from gill_bench.metrics.functional.captions.java import require_java
from gill_bench.metrics.functional.captions.meteor import Meteor, shared_meteor
from gill_bench.metrics.functional.captions.nltk_meteor import nltk_meteor, require_wordnet
from gill_bench.metrics.functional.captions.overlap import cider, rouge_l
from gill_bench.metrics.functional.captions.tokenizer import TokenCache, tokenise

__all__ = ["CaptionScores", "Meteor", "caption_scores", "require_java", "require_wordnet", "tokenise"]

_tokens = TokenCache()


@dataclass(frozen=True, slots=True)
class CaptionScores:
    """Scores of a set of captions.

    Attributes:
        corpus: Scores of the whole set by metric: bleu-1, bleu-2, bleu-3, bleu-4, meteor and rouge-l (0 to 1), cider (0
            to 10). BLEU and METEOR 1.5 of the whole set are not means over captions.
        per_caption: Scores of single captions by metric and id; BLEU only with `bleu="coco"`.
    """

    corpus: dict[str, float]
    per_caption: dict[str, dict[str, float]]


def caption_scores(
    predictions: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    *,
    meteor: Literal["1.5", "nltk"] = "1.5",
    bleu: Literal["coco", "torchmetrics"] = "coco",
) -> CaptionScores:
    """Score one caption per id against the references of that id.

    The order of ids changes nothing. Tokens of references are kept in memory for the next set of captions.

    Args:
        predictions: One caption for each id; an empty caption scores 0.
        references: One or more captions for each of the same ids.
        meteor: "1.5" runs the jar of the COCO evaluation, "nltk" NLTK's METEOR on the same tokens.
        bleu: "coco" compares tokens; "torchmetrics" compares the captions as they are, as in GILL's own validation.

    Raises:
        InputError: The ids differ, there is no id, an id has no reference, a caption is not a text, a variant is
            unknown, or Java, NLTK or WordNet's data is missing.
        GillBenchError: The tokeniser or METEOR failed.

    >>> scores = caption_scores({"1": "Two squares."}, {"1": ["two red squares", "two squares"]})
    >>> scores.corpus["bleu-2"].__round__(3), scores.per_caption["rouge-l"]
    (1.0, {'1': 1.0})
    """
    if meteor not in ("1.5", "nltk") or bleu not in ("coco", "torchmetrics"):
        raise InputError(f"meteor={meteor!r}, bleu={bleu!r}: expected '1.5' or 'nltk', and 'coco' or 'torchmetrics'")
    _check(predictions, references)
    if meteor == "nltk":
        require_wordnet()
    else:
        shared_meteor().start()  # the process gets ready while captions are tokenised
    ids = sorted(predictions)
    texts, several_texts = [predictions[id_] for id_ in ids], [list(references[id_]) for id_ in ids]
    known, hypotheses = _tokens.tokenise((text for several in several_texts for text in several), texts)
    expected = [[known[text] for text in several] for several in several_texts]

    with ThreadPoolExecutor(1) as pool:  # METEOR 1.5 is another process: the other metrics are computed meanwhile
        meteor_values = pool.submit(nltk_meteor if meteor == "nltk" else shared_meteor().score, hypotheses, expected)
        corpus: dict[str, float] = {}
        each: dict[str, list[float]] = {}
        bleu_names = [f"bleu-{order}" for order in range(1, 5)]
        if bleu == "coco":
            of_corpus, of_each = coco_bleu(hypotheses, expected)
            each |= zip(bleu_names, of_each, strict=True)
        else:
            of_corpus = torchmetrics_bleu(texts, several_texts)
        corpus |= zip(bleu_names, of_corpus, strict=True)
        consensus, longest = cider(hypotheses, expected), rouge_l(hypotheses, expected)
        for name, (whole, values) in (("meteor", meteor_values.result()), ("rouge-l", longest), ("cider", consensus)):
            corpus[name], each[name] = whole, values
    return CaptionScores(corpus, {name: dict(zip(ids, values, strict=True)) for name, values in each.items()})


def _check(predictions: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> None:
    unmatched, missing = predictions.keys() - references.keys(), references.keys() - predictions.keys()
    if unmatched:
        raise InputError(f"{len(unmatched)} predicted captions have no references: {_some(unmatched)}")
    if missing:
        raise InputError(f"{len(missing)} ids have references, but no predicted caption: {_some(missing)}")
    if not predictions:
        raise InputError("no captions to score")
    for id_, text in predictions.items():
        if not isinstance(text, str):
            raise InputError(f"the predicted caption of {id_!r} is {text!r}, expected a text")
    for id_, several in references.items():
        if isinstance(several, str) or not several or not all(isinstance(text, str) for text in several):
            raise InputError(f"the references of {id_!r} are {several!r:.200}, expected a list of at least one caption")


def _some(ids: set[str]) -> str:
    names = sorted(map(repr, ids))
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
