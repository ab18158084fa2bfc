"""What a model may return, and what is said of anything else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gill_bench.errors import GillBenchError
from gill_bench.interfaces import Decision, GeneratedImage
from gill_bench.prompt import Prompt
from gill_bench.runs.asking import ask as ask_model
from gill_bench.runs.plan import CellPlan
from gill_bench.runs.planning import make_plan
from tests.runs.able import ask

UNIT = np.array([0.6, 0.8], dtype=np.float32)


def vectors(count: int, vector: Any = UNIT) -> Any:
    return np.stack([np.asarray(vector, dtype=np.float32)] * count)


class Returning:
    """Returns for N inputs what a function of N says, whatever it is asked."""

    def __init__(self, answer: Callable[[int], Any]) -> None:
        self.answer = answer
        self.calls: list[int] = []

    def _of(self, inputs: Any, *_: Any) -> Any:
        self.calls.append(len(inputs))
        return self.answer(len(inputs))

    generate_images = embed_images = embed_prompts = generate_texts = score_texts = decision_features = decide = _of


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CellPlan]:
    """A plan by what it asks for."""
    out = tmp_path_factory.mktemp("plans") / "run"
    settings = ("partiprompts.train=1",)
    wanted = ask(out, "vist", "visdial-retrieval", "vqav2", "visdial-answers", "partiprompts", "speed")
    plan = make_plan(ask(out, *wanted.tasks, contexts=("all",), limit=3, seeds=2, settings=settings))
    return {planned.cell.asks: planned for planned in plan.cells}


def answer(plans: dict[str, CellPlan], asks: str, model: object, batch_size: int = 0) -> Any:
    planned = plans[asks]
    return ask_model(planned.pending[0], planned.cell, model, batch_size, "cpu").outputs


def pictures(count: int, seeds: int = 2) -> list[list[GeneratedImage]]:
    return [[GeneratedImage(Image.new("RGB", (2, 2)))] * seeds for _ in range(count)]


SCORES = "log-likelihoods"


@pytest.mark.parametrize(
    ("asks", "returned", "message"),
    [
        ("images", lambda n: None, "returned NoneType, expected a list of 1 lists of pictures"),
        ("images", lambda n: pictures(n + 1), "returned 2 lists of pictures, expected 1"),
        ("images", partial(pictures, seeds=1), "returned 1 pictures of a prompt, expected 2"),
        ("images", lambda n: [[Image.new("RGB", (2, 2))] * 2] * n, "returned Image among its pictures"),
        ("images", lambda n: [[GeneratedImage(None)] * 2] * n, "returned NoneType among its pictures"),  # type: ignore[arg-type]
        ("embeddings", lambda n: vectors(n - 1), r"returned array \(2, 2\) of float32, expected .* \(3, width\)"),
        ("embeddings", lambda n: vectors(n)[:, 0], r"returned array \(3,\) of float32"),
        ("embeddings", lambda n: vectors(n).tolist(), "returned list, expected a numpy array"),
        ("embeddings", lambda n: vectors(n).astype(object), r"returned array \(3, 2\) of object"),
        ("embeddings", lambda n: vectors(n, [np.nan, 1]), "returned vectors that are not finite"),
        ("embeddings", lambda n: vectors(n, [3, 4]), "returned an embedding of length 5, expected L2-normalised"),
        ("embeddings", lambda n: vectors(n, [0, 0]), "returned an embedding of length 0"),
        ("candidates", lambda n: vectors(n, [3, 4]), "returned an embedding of length 5"),
        ("candidates", lambda n: vectors(n + 1), r"returned array \(17, 2\) of float32"),
        ("features", lambda n: vectors(n, [np.inf, 1]), "returned vectors that are not finite"),
        ("features", lambda n: None, "returned NoneType, expected a numpy array"),
        ("texts", lambda n: ["yes"] * (n - 1), "returned 2 texts, expected 3"),
        ("texts", lambda n: [b"yes"] * n, "returned bytes among its texts, expected str"),
        ("texts", lambda n: "yes", "returned str, expected a list of 3 texts"),
        ("texts", lambda n: None, "returned NoneType, expected a list of 3 texts"),
        ("scores", lambda n: [0.0] * 3, f"returned 3 {SCORES}, expected 100"),
        ("scores", lambda n: [float("nan")] * n, "returned a log-likelihood of nan, expected finite"),
        ("scores", lambda n: [float("-inf")] * n, "returned a log-likelihood of -inf"),
        ("scores", lambda n: [None] * n, f"returned NoneType among its {SCORES}"),
        ("decisions", lambda n: [("retrieve", 0.5)] * n, "returned tuple among its decisions, expected Decision"),
        (
            "decisions",
            lambda n: [Decision("retrieve", 1.5)] * n,
            "returned Decision.*probability=1.5.*, expected 'generate' or 'ret",
        ),
        ("decisions", lambda n: [Decision("retrieve", float("nan"))] * n, "returned Decision.*probability=nan"),
        ("decisions", lambda n: [Decision("ret", 0.5)] * n, "returned Decision.*label='ret'"),  # type: ignore[arg-type]
        ("decisions", lambda n: [], "returned 0 decisions, expected 3"),
    ],
)
def test_what_a_model_must_not_return(
    plans: dict[str, CellPlan], asks: str, returned: Callable[[int], Any], message: str
) -> None:
    with pytest.raises(GillBenchError, match=f"^able: {message}"):
        answer(plans, asks, Returning(returned))


def test_what_a_model_may_return(plans: dict[str, CellPlan]) -> None:
    """Other kinds of floats, rounded lengths, and tuples for lists."""
    half = vectors(3, [0.6, 0.8001]).astype(np.float16)
    ((one,), *_) = answer(plans, "embeddings", Returning(lambda n: half))
    assert one.vector.dtype == np.float32
    ((one,), *_) = answer(plans, "features", Returning(lambda n: vectors(n, [3, 4]).astype(np.float64)))
    assert one.vector.tolist() == [3.0, 4.0]
    ((one,), *_) = answer(plans, "scores", Returning(lambda n: [np.float32(-1.5)] * n))
    assert one.values == {"scores": [-1.5] * 100}
    ((one,), *_) = answer(plans, "texts", Returning(lambda n: ("", "a", "b")))
    assert one.values == {"text": ""}
    ((one,), *_) = answer(plans, "decisions", Returning(lambda n: [Decision("generate", np.float64(0.25))] * n))
    assert one.values == {"decision": "generate", "probability": 0.25}


def test_batches(plans: dict[str, CellPlan]) -> None:
    model = Returning(vectors)
    answer(plans, "candidates", model)
    assert model.calls == [16] * 4  # 64 candidates in a unit
    model = Returning(vectors)
    answer(plans, "candidates", model, batch_size=20)
    assert model.calls == [20, 20, 20, 4]
    model = Returning(pictures)
    answer(plans, "images", model)
    assert model.calls == [1, 1, 1]


def test_one_width_for_all_batches(plans: dict[str, CellPlan]) -> None:
    widths: Iterator[Any] = iter([[1, 0], [1, 0, 0], [1, 0], [1, 0]])
    with pytest.raises(GillBenchError, match=r"able: returned vectors of widths \[2, 3\], expected one width"):
        answer(plans, "candidates", Returning(lambda n: vectors(n, next(widths))))


def test_the_first_calls_are_not_measured(plans: dict[str, CellPlan]) -> None:
    model = Returning(lambda n: ["two words"] * n)
    outputs = answer(plans, "text-seconds", model)
    assert model.calls == [1] * (2 + 3)  # the card's warm-up
    assert [list(one.values) for (one,) in outputs] == [["seconds"]] * 3  # it does not count tokens
    model.count_tokens = lambda texts: [len(text.split()) for text in texts]  # type: ignore[attr-defined]
    assert [one.values["tokens"] for (one,) in answer(plans, "text-seconds", model)] == [2, 2, 2]


def test_a_search_does_not_time_the_embedding(plans: dict[str, CellPlan]) -> None:
    model = Returning(vectors)
    outputs = answer(plans, "search-seconds", model)
    assert model.calls == [3]
    assert [one.values["candidates"] for (one,) in outputs] == [100000] * 3


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
