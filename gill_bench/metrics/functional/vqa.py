"""VQA accuracy with the deliberate and the accidental rules of the official evaluator (protocol 3.9).

The rules are those of the public evaluation code in its newest state ("2021") and in the state before it ("2017"),
collected case by case. Rules that look odd are kept, because the published numbers were made with them. The evaluator
itself is not called: it is written in Python 2, and is no package.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

Evaluator = Literal["2021", "2017"]

_PUNCTUATION = frozenset(';/[]"{}()=+\\_-><@`,?!')
_COMMA_IN_NUMBER = re.compile(r"[0-9],[0-9]")
# The original means "no digit on either side"; its left half is mistyped and always holds.
_PERIOD = re.compile(r"\.(?![0-9])")
_PERIODS_REMOVED = 32  # the original passes a flag of the regular expression as the count
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
# Words that are recognised without their apostrophe. The original lists "I'm" and "I've" with a capital, so that they
# never match text in lower case; they are left out here.
_SINGLE = """
ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll how's isn't it'd
it'll ma'am mightn't might've mustn't must've needn't not've o'clock oughtn't shan't should've shouldn't somebody'll
somebody's someone'd someone'll someone's something'd something'll that's there'd there're there's they'd they'll
they're they've 'twas wasn't we've weren't what'll what're what's what've when's where'd where's where've who'd who'll
who's who've why'll why're why's won't would've wouldn't y'all you'd you'll you're you've
"""
# Words with two apostrophes, which are also recognised with only one of them.
_DOUBLE = """
couldn't've he'd've it'd've mightn't've she'd've shouldn't've somebody'd've someone'd've something'd've there'd've
they'd've we'd've who'd've wouldn't've you'd've hadn't've
"""


def _contractions() -> dict[str, str]:
    table = {word.replace("'", ""): word for word in _SINGLE.split()}
    for word in _DOUBLE.split():
        first, second = (position for position, letter in enumerate(word) if letter == "'")
        table[word[:first] + word[first + 1 :]] = word
        table[word[:second] + word[second + 1 :]] = word
    table |= {"yall'll": "y'all'll", "y'allll": "y'all'll"}
    table |= {"yall'd've": "y'all'd've", "y'alld've": "y'all'd've", "y'all'dve": "y'all'd've"}
    table |= {"ow's'at": "'ow's'at", "'ows'at": "'ow's'at", "'ow'sat": "'ow's'at"}
    return table | {"somebody'd": "somebodyd"}  # the wrong way round in the original


_WORDS = _NUMBERS | _contractions()  # no word is in both, and none becomes one that is in either


def vqa_accuracy(prediction: str, references: Sequence[str], evaluator: Evaluator = "2021") -> float:
    """Accuracy of one answer, 0 to 1.

    Each reference in turn is left out, and the prediction is right to the degree that three of the other references
    agree with it; the accuracy is the mean. With ten references, of which m agree, it is 0, 0.3, 0.6 and 0.9 for m = 0
    to 3, and 1 from m = 4 on.

    Args:
        prediction: The model's answer.
        references: The annotators' answers, ten in VQAv2, each by another annotator. (The official evaluator takes
            equal records for one record, so a reader of annotations must refuse an `answer_id` that occurs twice.)
        evaluator: "2021" normalises prediction and references alike, unless all references are equal: then nothing is
            normalised, and case and punctuation count. "2017" always normalises the prediction; references only lose
            their punctuation, and only if they differ.

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
    """Accuracy if `matches` references agree: the mean over references of min(1, other references that agree / 3).

    >>> [accuracy_of_matches(m) for m in range(6)]
    [0.0, 0.3, 0.6, 0.9, 1.0, 1.0]
    """
    # For a reference that agrees, one agreeing reference less remains. Whole numbers are added, so that 0.9 is exact.
    thirds = matches * min(3, matches - 1) + (references - matches) * min(3, matches) if matches else 0
    return thirds / (3 * references)


@lru_cache(maxsize=1 << 16)
def normalise(text: str) -> str:
    """Normalise punctuation, then numbers, articles and contractions, of a text without line breaks and outer spaces.

    >>> normalise("1,000 people-lot"), normalise("None of the T-shirts")
    ('1000 peoplelot', '0 of t shirts')
    """
    return _words(_punctuation(text))


def _tidy(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


def _punctuation(text: str) -> str:
    """Remove or replace punctuation; the original text, not the changed one, decides between the two."""
    out = text
    if not _PUNCTUATION.isdisjoint(text):
        comma = _COMMA_IN_NUMBER.search(text) is not None
        for sign in _PUNCTUATION.intersection(text):  # in any order: no replacement adds or joins signs
            vanishes = comma or f"{sign} " in text or f" {sign}" in text
            out = out.replace(sign, "" if vanishes else " ")
    return _PERIOD.sub("", out, count=_PERIODS_REMOVED) if "." in out else out


def _words(text: str) -> str:
    # Lower case is made letter by letter, as in Python 2: a capital sigma at the end of a word becomes a plain sigma.
    lower = text.lower() if text.isascii() else "".join(map(str.lower, text))
    return " ".join([_WORDS.get(word, word) for word in lower.split() if word not in _ARTICLES])
