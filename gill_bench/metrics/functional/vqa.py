"""VQA accuracy, as the official evaluator computes it, with its deliberate and accidental rules (protocol 3.9).

Follows the public evaluation code at its newest state ("2021") and before that ("2017"), measured case by case; where a
rule looks odd, it is meant to: the published numbers were made with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

Evaluator = Literal["2021", "2017"]

_PUNCTUATION = frozenset(';/[]"{}()=+\\_-><@`,?!')
_COMMA_IN_NUMBER = re.compile(r"[0-9],[0-9]")
# Meant as "no digit on either side"; the left half is mistyped in the original and always holds.
_PERIOD = re.compile(r"\.(?![0-9])")
_PERIODS_REMOVED = 32  # a flag of the regular expression that is passed as the count
_NUMBERS = {
    "none": "0",
    "zero": "0",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
}
_ARTICLES = frozenset({"a", "an", "the"})
# Written without its apostrophe, each becomes the word with it. "I'm" and "I've" are listed with a capital in the
# original and never match text in lower case, so they are left out here.
_SINGLE = """
ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll how's isn't it'd
it'll ma'am mightn't might've mustn't must've needn't not've o'clock oughtn't shan't should've shouldn't somebody'll
somebody's someone'd someone'll someone's something'd something'll that's there'd there're there's they'd they'll
they're they've 'twas wasn't we've weren't what'll what're what's what've when's where'd where's where've who'd who'll
who's who've why'll why're why's won't would've wouldn't y'all you'd you'll you're you've
"""
# Two apostrophes: each is also recognised with only one of them written.
_DOUBLE = """
couldn't've he'd've it'd've mightn't've she'd've shouldn't've somebody'd've someone'd've something'd've there'd've
they'd've we'd've who'd've wouldn't've you'd've hadn't've
"""


def _contractions() -> dict[str, str]:
    table = {word.replace("'", ""): word for word in _SINGLE.split()}
    for word in _DOUBLE.split():
        first, second = (place for place, letter in enumerate(word) if letter == "'")
        table[word[:first] + word[first + 1 :]] = word
        table[word[:second] + word[second + 1 :]] = word
    table |= {"yall'll": "y'all'll", "y'allll": "y'all'll"}
    table |= {"yall'd've": "y'all'd've", "y'alld've": "y'all'd've", "y'all'dve": "y'all'd've"}
    table |= {"ow's'at": "'ow's'at", "'ows'at": "'ow's'at", "'ow'sat": "'ow's'at"}
    return table | {"somebody'd": "somebodyd"}  # the wrong way round in the original


_WORDS = _NUMBERS | _contractions()  # no word is in both, and none becomes one that is in either


def vqa_accuracy(prediction: str, references: Sequence[str], evaluator: Evaluator = "2021") -> float:
    """Accuracy of one answer, 0 to 1.

    For each reference the prediction is compared with all others, of which three must agree; then the mean is taken.
    Of ten, m references that agree give 0, 0.3, 0.6, 0.9, and 1 from four on.

    Args:
        prediction: The model's answer.
        references: The annotators' answers, ten in VQAv2, each of an annotator of its own. (To the official evaluator,
            the others are the records that differ: equal records would not count for each other. So whoever reads the
            annotations must refuse a question with an `answer_id` twice.)
        evaluator: "2021": prediction and references are normalised alike, unless all references are equal: then nothing
            is, and case and punctuation count. "2017": the prediction is always normalised; references only lose their
            punctuation, and only if they differ.

    Raises:
        ValueError: There are no references.

    >>> vqa_accuracy("a Cat.", ["cat"] * 9 + ["dog"])
    1.0
    >>> vqa_accuracy("Yes", ["yes"] * 10)
    0.0
    """
    if not references:
        raise ValueError("no reference answers")
    answer = _tidy(prediction)
    if evaluator == "2017":
        answer = normalise(answer)
        answers = [_punctuation(text) for text in references] if len(set(references)) > 1 else list(references)
    else:
        answers = [_tidy(text) for text in references]
        if len(set(answers)) > 1:
            answer = normalise(answer)
            answers = [normalise(text) for text in answers]
    return accuracy_of_matches(answers.count(answer), len(answers))


def accuracy_of_matches(matches: int, references: int = 10) -> float:
    """Accuracy when so many of the references agree: the mean of min(1, others that agree / 3) over the references.

    >>> [accuracy_of_matches(m) for m in range(6)]
    [0.0, 0.3, 0.6, 0.9, 1.0, 1.0]
    """
    # An agreeing reference has one agreeing other less. Whole numbers, so that 0.9 is 0.9.
    thirds = matches * min(3, matches - 1) + (references - matches) * min(3, matches) if matches else 0
    return thirds / (3 * references)


@lru_cache(maxsize=1 << 16)
def normalise(text: str) -> str:
    """Punctuation, then numbers, articles and contractions; for texts without line breaks and outer spaces.

    >>> normalise("1,000 people-lot"), normalise("None of the T-shirts")
    ('1000 peoplelot', '0 of t shirts')
    """
    return _words(_punctuation(text))


def _tidy(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


def _punctuation(text: str) -> str:
    """Remove or replace punctuation; what happens to a sign is decided on the whole text as it was."""
    out = text
    if not _PUNCTUATION.isdisjoint(text):
        comma = _COMMA_IN_NUMBER.search(text) is not None
        for sign in _PUNCTUATION.intersection(text):  # in any order: no replacement adds or joins signs
            vanishes = comma or f"{sign} " in text or f" {sign}" in text
            out = out.replace(sign, "" if vanishes else " ")
    return _PERIOD.sub("", out, count=_PERIODS_REMOVED) if "." in out else out


def _words(text: str) -> str:
    # Letter by letter, as Python 2 did: a capital sigma at the end of a word becomes the ordinary small one.
    lower = text.lower() if text.isascii() else "".join(map(str.lower, text))
    return " ".join([_WORDS.get(word, word) for word in lower.split() if word not in _ARTICLES])
