"""All caption scores together: equal to pycocoevalcap, in any order, for any text, and clear about wrong input."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gill_bench.errors import InputError
from gill_bench.metrics.functional.captions import CaptionScores, caption_scores
from gill_bench.metrics.functional.captions import tokenizer as tokenizer_module
from tests.metrics.functional.captions.conftest import reference_scores
from tests.support.captions import made_up_captions

NAMES = ["bleu-1", "bleu-2", "bleu-3", "bleu-4", "meteor", "rouge-l", "cider"]
Set = tuple[dict[str, str], dict[str, list[str]]]


def perturbed(caption: str, generator: random.Random) -> str:
    words = caption.split()
    for _ in range(generator.randrange(4)):
        position = generator.randrange(len(words))
        match generator.randrange(3):
            case 0 if len(words) > 2:
                del words[position]
            case 1:
                words.insert(position, generator.choice(["red", "(two)", "isn't", "3", '"old"', "near-by", "the"]))
            case _:
                words[position] = generator.choice(words)
    return " ".join(words)


@pytest.fixture(scope="module")
def real(real_data: Path) -> Set:
    file = real_data / "coco" / "annotations" / "captions_val2017.json"
    by_image: dict[str, list[str]] = defaultdict(list)
    for record in json.loads(file.read_text(encoding="utf-8"))["annotations"]:
        by_image[str(record["image_id"])].append(" ".join(record["caption"].splitlines()))
    generator = random.Random(3)
    chosen = sorted(generator.sample(sorted(by_image), 80))
    predictions = {id_: perturbed(by_image[id_][0], generator) for id_ in chosen}
    # Where a caption ends in an abbreviation or a single letter, the original depends on the next one.
    predictions = {id_: f"{text} there." for id_, text in predictions.items()}
    return predictions, {id_: by_image[id_][1:] for id_ in chosen}


def nasty() -> Set:
    texts = made_up_captions(1200, 7)
    ids = [f"n{number}" for number in range(200)]
    predictions = dict(zip(ids, texts, strict=False))
    references = {id_: texts[200 + 3 * index : 203 + 3 * index] for index, id_ in enumerate(ids)}
    references["n1"], references["n2"] = ["", "?"], ["word " * 200]
    predictions |= {"n0": "", "n1": "...", "n2": "word " * 300, "n3": "a ||| b\u2028c\r\nd"}
    return predictions, references


def check_close(scores: CaptionScores, expected: tuple[dict[str, float], dict[str, dict[str, float]]]) -> None:
    corpus, each = expected
    assert list(scores.corpus) == NAMES
    assert {name: scores.corpus[name] for name in corpus} == pytest.approx(corpus, rel=1e-12, abs=1e-15)
    assert sorted(scores.per_caption) == sorted(NAMES)
    for name in corpus:
        assert scores.per_caption[name] == pytest.approx(each[name], rel=1e-12, abs=1e-15)


@pytest.fixture(params=["all but METEOR", pytest.param("METEOR, too", marks=pytest.mark.slow)])
def meteor(java: str, request: pytest.FixtureRequest) -> Any:
    """METEOR of pycocoevalcap, or None; test_meteor.py has numbers of it."""
    return request.getfixturevalue("original_meteor") if request.param == "METEOR, too" else None


def test_scores_of_real_captions_are_those_of_pycocoevalcap(real: Set, meteor: Any) -> None:
    scores = caption_scores(*real)
    check_close(scores, reference_scores(*real, meteor))
    assert 0.05 < scores.corpus["bleu-4"] < 0.9
    assert 0.1 < scores.corpus["meteor"] < 0.9


def test_scores_of_unusual_but_clean_captions_are_those_of_pycocoevalcap(meteor: Any) -> None:
    texts = [f"{text} end" for text in made_up_captions(300, 11, nasty=False) if "|" not in text]
    predictions = {str(number): text for number, text in enumerate(texts[:60])} | {"empty": ""}
    references = {id_: texts[60 + number : 63 + number] for number, id_ in enumerate(predictions)}
    check_close(caption_scores(predictions, references), reference_scores(predictions, references, meteor))


@pytest.mark.usefixtures("java")
def test_the_order_of_ids_changes_nothing_whatever_the_texts() -> None:
    predictions, references = nasty()
    scores = caption_scores(predictions, references)
    assert set(scores.per_caption["meteor"]) == set(predictions)
    ids = random.Random(1).sample(sorted(predictions), len(predictions))
    again = caption_scores(dict(sorted(predictions.items())), {id_: references[id_] for id_ in ids})
    assert again == scores
    # "?" is nothing either: two empty texts are the same to ROUGE-L, as in the original, and to nothing else.
    assert [round(scores.per_caption[name]["n0"], 12) for name in NAMES] == [0] * 7
    assert [round(scores.per_caption[name]["n1"], 12) for name in NAMES] == [0, 0, 0, 0, 0, 1, 0]
    # The n-th caption keeps its own score, although other captions hold all that used to shift scores.
    alone = {"n3": predictions["n3"]}, {"n3": references["n3"]}
    for name in ("bleu-1", "meteor", "rouge-l"):
        assert caption_scores(*alone).per_caption[name]["n3"] == scores.per_caption[name]["n3"]


@pytest.mark.usefixtures("java")
def test_scoring_captions_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    caption_scores({"1": "a cat 😀", "2": ""}, {"1": ["a cat"], "2": ["two\ndogs"]})
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("java")
def test_a_second_set_does_not_tokenise_the_references_again(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[list[str]] = []
    tokenise = tokenizer_module.tokenise

    def recorded(texts: Sequence[str]) -> list[str]:
        given.append(list(texts))
        return tokenise(texts)

    monkeypatch.setattr(tokenizer_module, "tokenise", recorded)
    references = {"1": ["a lemur of this test", "a monkey of this test"]}
    caption_scores({"1": "first"}, references)
    caption_scores({"1": "second"}, references)
    assert given == [[*references["1"], "first"], ["second"]]


@pytest.mark.usefixtures("java")
def test_captions_can_be_scored_in_several_threads() -> None:
    sets = [({str(n): f"a {word} runs {n}" for n in range(20)}, {str(n): [f"the {word} ran"] for n in range(20)})
            for word in ("dog", "cat", "man", "dog")]  # fmt: skip
    with ThreadPoolExecutor(4) as threads:
        scores = list(threads.map(lambda arguments: caption_scores(*arguments), sets))
    assert scores == [caption_scores(*arguments) for arguments in sets]
    assert scores[0] == scores[3]


@pytest.mark.usefixtures("java")
def test_bleu_of_torchmetrics_can_be_chosen() -> None:
    predictions, references = {"1": "A cat."}, {"1": ["A cat. Now", "x"]}
    scores = caption_scores(predictions, references, bleu="torchmetrics")
    # A tie of lengths: the first reference counts.
    assert scores.corpus["bleu-1"] == pytest.approx(0.6065306, rel=1e-6)
    assert scores.corpus["bleu-3"] == 0
    assert sorted(scores.per_caption) == ["cider", "meteor", "rouge-l"]


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        ({"1": "a", "7": "b"}, {"1": ["a"]}, "1 predicted captions have no references: '7'"),
        (
            {"1": "a"},
            {str(n): ["a"] for n in range(9)},
            r"8 ids have references, but no predicted caption: '0', '2', '3', '4', '5' \.\.\.$",
        ),
        ({}, {}, "no captions to score"),
        ({"1": "a"}, {"1": []}, "references of '1' are .*, expected a list of at least one caption"),
        ({"1": "a"}, {"1": "a cat"}, "references of '1' are 'a cat', expected a list"),
        ({"1": "a"}, {"1": ["a", None]}, "references of '1' are"),
        ({"1": None}, {"1": ["a"]}, "predicted caption of '1' is None, expected a text"),
    ],
)
def test_captions_without_references_and_malformed_texts_are_refused(
    predictions: Any, references: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        caption_scores(predictions, references)


def test_unknown_variants_of_meteor_and_bleu_are_refused() -> None:
    options: Any
    for options in ({"meteor": "1.4"}, {"bleu": "sacrebleu"}):
        with pytest.raises(InputError, match=r"expected '1\.5' or 'nltk'"):
            caption_scores({"1": "a"}, {"1": ["a"]}, **options)


def test_importing_caption_scores_imports_no_heavy_library() -> None:
    program = (
        "import sys, gill_bench.metrics.functional.captions\n"
        "print([m for m in ('torch', 'numpy', 'nltk', 'pandas', 'pycocoevalcap') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
