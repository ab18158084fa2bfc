"""Names of metrics and contexts in words, for the sentences and charts of a page."""

from __future__ import annotations

import re

from gill_bench.datasets.controls import MARK

_WRITTEN = ("BLEU", "CIDEr", "CLIP", "F1", "FID", "KID", "LPIPS", "METEOR", "MRR", "ROUGE", "VQA")
_CAPITALS = {name.lower(): name for name in _WRITTEN}


def metric_words(metric: str) -> str:
    """A metric's name in words, with its stand-in backbone in brackets.

    >>> metric_words("clip-similarity[mini]"), metric_words("bleu-4"), metric_words("rouge-l")
    ('CLIP similarity (mini)', 'BLEU-4', 'ROUGE-L')
    >>> metric_words("macro-f1"), metric_words("recall-image-to-text@10")
    ('macro F1', 'recall image to text@10')
    """
    name, bracket, variant = metric.partition("[")
    words = (_capitals(word) for word in re.sub(r"-(?=[a-z][a-z0-9])", " ", name).split())
    return " ".join(words) + (f" ({variant.removesuffix(']')})" if bracket else "")


def _capitals(word: str) -> str:
    head, hyphen, rest = word.partition("-")
    return f"{_CAPITALS[head]}{hyphen}{rest.upper()}" if head in _CAPITALS else word


def context_words(context: str) -> str:
    """A context's name in words.

    >>> context_words("5-captions-4-images"), context_words("10-rounds"), context_words("all-labels")
    ('5 captions and 4 images', '10 rounds', 'all labels')
    >>> context_words("5-captions-4-images@foreign-images")
    '5 captions and 4 images, foreign images'
    """
    plain, _, control = re.sub(r"-(?=[0-9])", " and ", context).partition(MARK)
    return ", ".join(part.replace("-", " ") for part in (plain, control) if part)


def given(context: str) -> str:
    """A context as what a model is given: "with 5 captions", or "in the context question" if its name counts nothing.

    >>> given("1-caption"), given("question")
    ('with 1 caption', 'in the context question')
    """
    return f"with {context_words(context)}" if context[:1].isdecimal() else f"in the context {context_words(context)}"
