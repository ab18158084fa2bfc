"""Outputs that a model may return, and the errors for all others."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gill_bench.generation.calls import CallError
from gill_bench.generation.generate import generate_unit as ask_model
from gill_bench.generation.jobs import GenerateUnit
from gill_bench.generation.returned import ReturnedError, UnusableError, pictures_of
from gill_bench.interfaces import Decision, GeneratedImage
from gill_bench.planning.cells import CellPlan
from gill_bench.planning.plan import make_plan
from gill_bench.prompt import Prompt
from tests.support.able import run_request

UNIT = np.array([0.6, 0.8], dtype=np.float32)


def vectors(count: int, vector: Any = UNIT) -> Any:
    return np.stack([np.asarray(vector, dtype=np.float32)] * count)


class Returning:
    """A model that returns the result of a function of N for N inputs of any kind."""

    def __init__(self, answer: Callable[[int], Any]) -> None:
        self.answer = answer
        self.calls: list[int] = []

    def _of(self, inputs: Any, *_: Any) -> Any:
        self.calls.append(len(inputs))
        return self.answer(len(inputs))

    generate_images = embed_images = embed_prompts = generate_texts = score_texts = decision_features = decide = _of


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CellPlan]:
    """The plan of a cell for each output kind."""
    out = tmp_path_factory.mktemp("plans") / "run"
    settings = ("partiprompts.train=1",)
    wanted = run_request(out, "vist", "visdial-retrieval", "vqav2", "visdial-answers", "partiprompts", "speed")
    plan = make_plan(run_request(out, *wanted.tasks, contexts=("all",), limit=3, seeds=2, settings=settings))
    return {planned.cell.asks: planned for planned in plan.cells}


def answer(plans: dict[str, CellPlan], asks: str, model: object, batch_size: int = 0) -> Any:
    planned = plans[asks]
    return ask_model(planned.pending[0], planned.cell, model, batch_size, "cpu").outputs


def pictures(count: int, seeds: int = 2) -> list[list[GeneratedImage]]:
    return [[GeneratedImage(Image.new("RGB", (2, 2)))] * seeds for _ in range(count)]


def deep(mode: str) -> Image.Image:
    return Image.new(mode, (2, 2))


def test_a_unit_of_a_tenth_of_a_millisecond_took_some_time(
    plans: dict[str, CellPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(perf_counter=iter([5.0, 5.0001]).__next__)
    monkeypatch.setattr("gill_bench.generation.generate.time", clock)
    planned = plans["images"]
    outputs = ask_model(planned.pending[0], planned.cell, Returning(pictures), 0, "cpu")
    assert outputs.seconds == 0.0001  # as no time it would keep `status` from saying what is left


@pytest.mark.parametrize(
    ("asks", "returned", "message"),
    [
        (
            "images",
            lambda n: None,
            r"generate_images returned None, expected a list of 3 lists of pictures\nreturn a list",
        ),
        ("images", lambda n: pictures(n + 1), "returned 4 lists of pictures, expected 3"),
        ("images", partial(pictures, seeds=1), "returned 1 pictures of a prompt, expected 2"),
        ("images", lambda n: [deep("RGB")] * n, "returned Image among its lists of pictures, expected Sequence"),
        (
            "images",
            lambda n: [[np.zeros((2, 2, 3), np.uint8)] * 2] * n,
            r"a NumPy array \(2, 2, 3\) of uint8 among .*\n.*fromarray",
        ),
        (
            "images",
            lambda n: [[torch.zeros(3, 2, 2)] * 2] * n,
            r"a tensor \(3, 2, 2\) of torch.float32 among .*\n.*to_pil_image",
        ),
        ("images", lambda n: [["a.png"] * 2] * n, r"returned str among .*\nopen it: PIL.Image.open"),
        ("images", lambda n: [[GeneratedImage(None)] * 2] * n, "returned None in a GeneratedImage"),  # type: ignore[arg-type]
        (
            "images",
            lambda n: [[deep("I;16")] * 2] * n,
            r"returned a picture of mode I;16, expected RGB of 8 bits\nscale it",
        ),
        ("images", lambda n: [[GeneratedImage(deep("I"))] * 2] * n, r"returned a picture of mode I, .*\n.*65535"),
        ("images", lambda n: [[deep("F")] * 2] * n, r"returned a picture of mode F, .*\n.*array \* 255"),
        ("embeddings", lambda n: vectors(n - 1), r"a NumPy array \(2, 2\) of float32, expected .* \(3, width\)"),
        ("embeddings", lambda n: vectors(n)[:, 0], r"a NumPy array \(3,\) of float32"),
        ("embeddings", lambda n: vectors(n).tolist(), r"embed_prompts returned list, expected .*\n.*numpy.stack"),
        ("embeddings", lambda n: torch.ones(n, 2), r"returned a tensor .*\nconvert it: tensor.float\(\).cpu\(\).numpy"),
        ("embeddings", lambda n: vectors(n).astype(object), r"a NumPy array \(3, 2\) of object"),
        ("embeddings", lambda n: vectors(n, [3, 4]), r"an embedding of length 5, expected L2-.*\nnormalise them"),
        ("candidates", lambda n: vectors(n, [3, 4]), "embed_images returned an embedding of length 5"),
        ("candidates", lambda n: vectors(n + 1), r"a NumPy array \(17, 2\) of float32"),
        ("features", lambda n: None, "decision_features returned None, expected a NumPy array"),
        ("texts", lambda n: ["yes"] * (n - 1), "generate_texts returned 2 texts, expected 3"),
        ("texts", lambda n: [b"yes"] * n, "returned bytes among its texts, expected str"),
        ("texts", lambda n: [None] * n, r"returned None among its texts, expected str\n.*'' for no answer"),
        ("texts", lambda n: "yes", "returned str, expected a list of 3 texts"),
        ("texts", lambda n: None, "returned None, expected a list of 3 texts"),
        ("scores", lambda n: [0.0] * 3, "score_texts returned 3 log-likelihoods, expected 100"),
        ("scores", lambda n: np.zeros(n), r"returned a NumPy array \(100,\) of float64, .*\n.*array.tolist\(\)"),
        ("scores", lambda n: [None] * n, "returned None among its log-likelihoods"),
        (
            "decisions",
            lambda n: [("retrieve", 0.5)] * n,
            "decide returned tuple among its decisions, expected Decision",
        ),
        ("decisions", lambda n: [Decision("retrieve", 1.5)] * n, r"probability=1.5.*, expected 'generate' or 'ret"),
        ("decisions", lambda n: [Decision("ret", 0.5)] * n, "returned Decision.*label='ret'"),  # type: ignore[arg-type]
        ("decisions", lambda n: [], "returned 0 decisions, expected 3"),
        ("text-seconds", lambda n: [None], "generate_texts returned None among its texts"),
        ("image-seconds", lambda n: [[np.zeros((2, 2, 3), np.uint8)]], "generate_images returned a NumPy array"),
        ("search-seconds", lambda n: vectors(n).tolist(), "embed_prompts returned list"),
    ],
)
def test_an_output_of_the_wrong_form_is_an_error_with_a_remedy(
    plans: dict[str, CellPlan], asks: str, returned: Callable[[int], Any], message: str
) -> None:
    """Such an output is a defect of the class, which would hit every other example, too."""
    with pytest.raises(ReturnedError, match=message) as caught:
        answer(plans, asks, Returning(returned))
    first, *_, last = str(caught.value).splitlines()
    assert first.startswith("able: Returning.")
    assert last == "see: gill-bench doctor able"


@pytest.mark.parametrize(
    ("asks", "returned", "message"),
    [
        ("images", lambda n: [[deep("CMYK")] * 2] * n, "a picture of mode CMYK and size"),
        ("images", lambda n: [[Image.new("RGB", (0, 2))] * 2] * n, r"a picture of mode RGB and size \(0, 2\)"),
        ("embeddings", lambda n: vectors(n, [np.nan, 1]), "vectors that are not finite"),
        ("embeddings", lambda n: vectors(n, [0, 0]), "an embedding of zeros"),
        ("features", lambda n: vectors(n, [np.inf, 1]), "vectors that are not finite"),
        ("texts", lambda n: ["\ud800"] * n, "half of a surrogate pair"),
        ("scores", lambda n: [float("nan")] * n, "a log-likelihood of nan, expected finite"),
        ("scores", lambda n: [float("-inf")] * n, "a log-likelihood of -inf"),
        ("decisions", lambda n: [Decision("retrieve", float("nan"))] * n, "Decision.*probability=nan"),
    ],
)
def test_an_unusable_value_is_a_failure_of_its_example_alone(
    plans: dict[str, CellPlan], asks: str, returned: Callable[[int], Any], message: str
) -> None:
    with pytest.raises(CallError) as caught:
        answer(plans, asks, Returning(returned))
    assert isinstance(caught.value.__cause__, UnusableError)
    assert re.match(f"Returning.[a-z_]+ returned {message}", str(caught.value.__cause__))


def test_bare_pictures_stand_for_generated_ones(plans: dict[str, CellPlan]) -> None:
    ((first, second), *_) = answer(plans, "images", Returning(lambda n: [[deep("RGB")] * 2] * n))
    assert (first.image, first.flagged, second.truncated) == (deep("RGB"), False, False)


def test_the_check_of_pictures_keeps_every_fact_that_a_model_returns() -> None:
    @dataclass(frozen=True, slots=True)
    class WithSteps(GeneratedImage):
        steps: int = 0

    ((picture,),) = pictures_of([[WithSteps(deep("RGB"), flagged=1, steps=7)]], [1])  # type: ignore[arg-type]
    assert picture == WithSteps(deep("RGB"), flagged=True, steps=7)
    assert picture.flagged is True


def test_an_error_says_how_many_prompts_the_call_had(plans: dict[str, CellPlan]) -> None:
    def raising(count: int) -> Any:
        raise KeyError("unk")

    with pytest.raises(CallError) as caught:
        answer(plans, "candidates", Returning(raising), batch_size=20)
    assert caught.value.prompts == 20
    assert isinstance(caught.value.__cause__, KeyError)


def test_other_kinds_of_floats_and_of_sequences_are_accepted(plans: dict[str, CellPlan]) -> None:
    """Other kinds of floats, rounded lengths, and tuples for lists."""
    half = vectors(3, [0.6, 0.8001]).astype(np.float16)
    ((output,), *_) = answer(plans, "embeddings", Returning(lambda n: half))
    assert output.vector.dtype == np.float32
    ((output,), *_) = answer(plans, "features", Returning(lambda n: vectors(n, [3, 4]).astype(np.float64)))
    assert output.vector.tolist() == [3.0, 4.0]
    ((output,), *_) = answer(plans, "scores", Returning(lambda n: [np.float32(-1.5)] * n))
    assert output.values == {"scores": [-1.5] * 100}
    ((output,), *_) = answer(plans, "texts", Returning(lambda n: ("", "a", "b")))
    assert output.values == {"text": ""}
    ((output,), *_) = answer(plans, "decisions", Returning(lambda n: [Decision("generate", np.float64(0.25))] * n))
    assert output.values == {"decision": "generate", "probability": 0.25}


def test_calls_have_the_batch_size_of_their_kind_or_of_the_user(plans: dict[str, CellPlan]) -> None:
    model = Returning(vectors)
    answer(plans, "candidates", model)
    assert model.calls == [16] * 4  # 64 candidates in a unit
    model = Returning(vectors)
    answer(plans, "candidates", model, batch_size=20)
    assert model.calls == [20, 20, 20, 4]
    model = Returning(pictures)
    answer(plans, "images", model)
    assert model.calls == [3]


def test_vectors_of_different_widths_in_batches_are_refused(plans: dict[str, CellPlan]) -> None:
    widths: Iterator[Any] = iter([[1, 0], [1, 0, 0], [1, 0], [1, 0]])
    with pytest.raises(
        ReturnedError, match=r"able: Returning.embed_images returned vectors of widths \[2, 3\], expected one width"
    ):
        answer(plans, "candidates", Returning(lambda n: vectors(n, next(widths))))


def test_the_first_calls_are_not_measured(plans: dict[str, CellPlan]) -> None:
    model = Returning(lambda n: ["two words"] * n)
    outputs = answer(plans, "text-seconds", model)
    assert model.calls == [1] * (2 + 3)  # the card's warm-up
    assert [list(output.values) for (output,) in outputs] == [["seconds"]] * 3  # it does not count tokens
    model.count_tokens = lambda texts: [len(text.split()) for text in texts]  # type: ignore[attr-defined]
    assert [output.values["tokens"] for (output,) in answer(plans, "text-seconds", model)] == [2, 2, 2]


def test_a_search_does_not_time_the_embedding(plans: dict[str, CellPlan]) -> None:
    model = Returning(vectors)
    outputs = answer(plans, "search-seconds", model)
    assert model.calls == [3]
    assert [output.values["candidates"] for (output,) in outputs] == [100000] * 3


def test_prompts_reach_the_model_whole(plans: dict[str, CellPlan]) -> None:
    seen: list[Prompt] = []

    class Looking:
        def score_texts(self, prompts: list[Prompt], continuations: list[str]) -> list[float]:
            seen.append(prompts[0])
            assert len(set(map(id, prompts))) == 1
            return [0.0] * len(continuations)

    answer(plans, "scores", Looking())
    assert [len(prompt.images) for prompt in seen] == [1, 1, 1]
    assert all(prompt.text.endswith("A: ") for prompt in seen)
    assert [prompt.text.count("Q: ") for prompt in seen] == [1, 2, 3]


def test_a_job_that_is_sent_away_has_the_data_of_its_own_examples_alone(plans: dict[str, CellPlan]) -> None:
    """A cell has thousands of examples; a job in this process has the cell itself, which needs no time."""
    planned = plans["images"]
    [(name, digest), *_] = planned.pending[0].examples
    unit = replace(planned.pending[0], examples=((name, digest),))
    job = GenerateUnit(planned.cell, unit, Path("cell"), 0)
    sent = pickle.loads(pickle.dumps(job))
    assert (sent.key, sent.unit) == (job.key, unit)
    assert len(job.cell.usable) > 1
    assert sent.cell.usable == {name: planned.cell.usable[name]}
    assert sent.cell.model_digest == job.cell.model_digest
