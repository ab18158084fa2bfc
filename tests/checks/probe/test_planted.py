"""The probe finds planted models for what they are, whatever their noise, in at most 60 calls."""

from __future__ import annotations

from typing import Any

import pytest

from gill_bench.rundir.probes import ContextProbe
from tests.checks.probe.conftest import Prober
from tests.support import planted

ALL, NONE = "captions 1 to 5 of 5", "pictures none"
FOUND: dict[type[planted.Planted], tuple[str, str]] = {
    planted.Planted: (f"reads {ALL}; pictures 1 to 4 of 4", "read"),
    planted.NoPicture: (f"reads {ALL}; {NONE}", "read"),
    planted.FirstPicture: (f"reads {ALL}; pictures 1 of 4", "read"),
    planted.SecondPicture: (f"reads {ALL}; pictures 2 of 4", "read"),
    planted.LastPicture: (f"reads {ALL}; pictures 4 of 4", "read"),
    planted.OnlyPictures: ("reads captions none; pictures 1 to 4 of 4", "read"),
    planted.Nothing: (f"reads captions none; {NONE}", "not read"),
    planted.NoOrderOfPictures: (f"reads {ALL}; pictures 1 to 4 of 4, in no order", "not read"),
    planted.BagOfWords: (f"reads {ALL}, in no order; {NONE}", "not read"),
    planted.BagOfCaptions: (f"reads {ALL}, in no order; pictures 1 to 4 of 4, in no order", "not read"),
    planted.WithoutFirstCaption: ("reads captions 2 to 5 of 5; pictures 1 to 4 of 4", "read"),
    planted.Drops: (f"reads {ALL}; pictures 1 and 3 to 4 of 4, weakly 2 of 4", "read"),
    planted.DropsByPrompt: (f"reads {ALL}; pictures 1 and 3 to 4 of 4, weakly 2 of 4", "read"),
    planted.DropsAll: (f"reads {ALL}; {NONE}, weakly 1 to 4 of 4", "read"),
    planted.DropsHalf: (f"reads {ALL}; {NONE}, weakly 1 to 4 of 4", "read"),
    planted.Tiny: (f"reads {ALL}; pictures 1 to 2 and 4 of 4, weakly 3 of 4", "read"),
    planted.OwnNoise: (f"reads {ALL}; pictures 4 of 4; the same call gives another output each time", "read"),
    planted.OwnNoiseOfCalls: (f"reads {ALL}; pictures 4 of 4; the same call gives another output each time", "read"),
    planted.OnlyNoise: (f"reads captions none; {NONE}; the same call gives another output each time", "not read"),
    planted.Batches: (f"reads {ALL}; pictures 1 to 4 of 4; its outputs depend on their batch", "read"),
    planted.ReadsNeighbours: (f"reads {ALL}; pictures 1 to 4 of 4; its outputs depend on their batch", "read"),
}
SEEDS = {
    planted.Drops: 4,
    planted.DropsByPrompt: 2,
    planted.DropsHalf: 2,
    planted.OwnNoise: 3,
    planted.OwnNoiseOfCalls: 2,
}
"""How many seeds a model is probed with: more than one where chance might hide what it reads."""


@pytest.mark.parametrize(
    ("kind", "seed"),
    [
        *((kind, 0) for kind in FOUND),
        *(
            pytest.param(kind, seed, marks=pytest.mark.slow)
            for kind, seeds in SEEDS.items()
            for seed in range(1, seeds)
        ),
    ],
)
def test_a_planted_model_is_found_for_what_it_is(kind: type[planted.Planted], seed: int, prober: Prober) -> None:
    words, order = FOUND[kind]
    model = kind(seed)
    result = prober(model, seed=seed)
    assert (result.in_words(), result.order) == (words, order)
    assert result.repeatable is not (kind.__name__ in UNREPEATABLE)
    assert (result.calls, result.prompts) == (model.calls, model.prompts)
    assert result.prompts <= 60


UNREPEATABLE = {"OwnNoise", "OwnNoiseOfCalls", "OnlyNoise", "Batches", "ReadsNeighbours"}


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_parts_dropped_by_numbers_of_the_model_s_own_are_weakly_read(seed: int, prober: Prober) -> None:
    words = ["read", "weakly read", "read", "read"]
    assert verdicts(prober(planted.DropsByOwn(seed), seed=seed), "picture") == words


@pytest.mark.parametrize(("task", "context"), [("vist", "5-captions"), ("visdial", "10-rounds")])
def test_parts_beyond_a_limit_of_words_are_not_read(task: str, context: str, prober: Prober) -> None:
    class First(planted.FirstWords):
        words = 12

    class Last(planted.LastWords):
        words = 12

    First.__name__ = Last.__name__ = "FirstWords"
    first, last = (verdicts(prober(model(), task, context)) for model in (First, Last))
    assert (first[0], first[-1]) == ("read", "not read")
    assert (last[0], last[-1]) == ("not read", "read")


@pytest.mark.parametrize(
    ("kind", "task", "context", "words"),
    [
        (planted.Embeds, "vist-retrieval", "5-captions-4-images", f"reads {ALL}; pictures 1 to 4 of 4"),
        (planted.BlindEmbeds, "vist-retrieval", "5-captions-4-images", f"reads {ALL}; {NONE}"),
        (planted.Writes, "vqav2", "question", "reads picture 1 of 1; question 1 of 1"),
        (planted.BlindWrites, "vqav2", "question", "reads picture none; question 1 of 1"),
        (planted.Scores, "visdial-answers", "history", "reads picture 1 of 1; rounds 1 to 9 of 9; question 1 of 1"),
        (planted.BlindScores, "visdial-answers", "history", "reads picture none; rounds 1 to 9 of 9; question 1 of 1"),
    ],
)
def test_models_of_texts_scores_and_embeddings_are_probed_too(
    kind: type[planted.Planted], task: str, context: str, words: str, prober: Prober
) -> None:
    result = prober(kind(), task, context)
    assert result.in_words() == words
    assert result.unit == "another prompt"
    assert result.calls <= 60


def test_verdicts_come_with_their_numbers(prober: Prober) -> None:
    result = prober(planted.NoPicture())
    caption, picture = result.parts[:2]
    assert (caption.kind, caption.position, caption.changed, caption.at_most) == ("caption", 1, caption.trials, None)
    assert caption.effect > 0.1
    assert (caption.dropped or 0) > 0
    assert (caption.exchanged or 0) > 0
    assert caption.blanked is None
    assert (picture.kind, picture.effect, picture.changed) == ("picture", 0, 0)
    assert picture.trials == 72
    assert picture.at_most == pytest.approx(0.0408, abs=1e-3)  # 0.95 = 1 - (1 - p) ** 72
    assert picture.blanked == picture.exchanged == 0


def test_fewer_calls_find_the_same_and_too_few_are_refused(prober: Prober) -> None:
    from gill_bench.errors import InputError

    result = prober(planted.LastPicture(), calls=24)
    assert result.calls <= 24
    assert result.in_words() == f"reads {ALL}; pictures 4 of 4"
    with pytest.raises(InputError, match="has 9 parts, for which a probe needs at least 16 calls"):
        prober(planted.LastPicture(), calls=15)


def verdicts(result: ContextProbe, kind: str = "") -> list[Any]:
    return [part.verdict for part in result.parts if kind in ("", part.kind)]
