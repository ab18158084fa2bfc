"""Language models by themselves against plain transformers, on small random weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from PIL import Image
from torch.testing import assert_close
from transformers import GPT2Tokenizer, OPTForCausalLM

from gill_bench.cards.find import Cards
from gill_bench.errors import InputError
from gill_bench.interfaces import ImageRetriever, TextGenerator, TextScorer
from gill_bench.models import causal_lm as adapter
from gill_bench.models import check_settings
from gill_bench.models.causal_lm import Settings
from gill_bench.models.causal_lm.any_network import AnyCausalLanguageModel
from gill_bench.models.causal_lm.model import CausalLanguageModel
from gill_bench.models.interleaved import prompt_reader
from gill_bench.prompt import Prompt
from tests.support.random_weights import build_opt
from tests.support.tiny_causal_lm import CAUSAL, hf, write_causal_lm

PROMPTS = [
    Prompt(("a large red circle is at the top .",)),
    Prompt(("it moves", "to the left .", "then it went away")),
    Prompt(("Q: what colour is it?\nA: red\n" * 5 + "Q: how many are there?\nA:",)),
    Prompt(("",)),
]
CONTINUATIONS = [" red", "", "\n two of them", "a"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opt") / "opt-mini"
    build_opt(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> CausalLanguageModel:
    return load_opt(folder, Settings())


def load_opt(folder: Path, settings: Settings, component: str = "llm") -> CausalLanguageModel:
    model = adapter.load({component: folder}, settings, "cpu")
    assert isinstance(model, CausalLanguageModel)
    return model


class Plain:
    """transformers alone, one prompt at a time."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer: Any = GPT2Tokenizer.from_pretrained(folder)
        self.network: Any = cast(Any, OPTForCausalLM).from_pretrained(folder, dtype=torch.float32)

    def ids(self, prompt: Prompt) -> list[int]:
        return [2, *self.tokenizer(" ".join(prompt.texts), add_special_tokens=False).input_ids]

    def text(self, prompt: Prompt, tokens: int) -> str:
        ids = torch.tensor([self.ids(prompt)])
        with torch.no_grad():
            generated = self.network.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False
            )
        return str(self.tokenizer.decode(generated[0, ids.shape[1] :], skip_special_tokens=True))

    @torch.no_grad()
    def score(self, prompt: Prompt, continuation: str) -> float:
        ids, added = self.ids(prompt), self.tokenizer(continuation, add_special_tokens=False).input_ids
        logs = self.network(torch.tensor([ids + added])).logits[0].log_softmax(-1)
        return float(sum(logs[len(ids) - 1 + index, token] for index, token in enumerate(added)))


@pytest.fixture(scope="module")
def plain(folder: Path) -> Plain:
    return Plain(folder)


def test_a_language_model_writes_and_scores_texts(model: CausalLanguageModel) -> None:
    assert isinstance(model, TextGenerator)
    assert isinstance(model, TextScorer)
    assert not isinstance(model, ImageRetriever)


@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize("positions", [1, 30, 8192])
def test_greedy_texts_of_opt_are_those_of_transformers(
    folder: Path, plain: Plain, positions: int, use_cache: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_reader, "POSITIONS", positions)
    model = load_opt(folder, Settings(use_cache=use_cache), "network")
    expected = [plain.text(prompt, 7) for prompt in PROMPTS]
    assert model.generate_texts(PROMPTS, 7) == expected
    assert len(set(expected)) > 2
    part = expected[0][3:5]
    assert model.generate_texts(PROMPTS[:1], 7, [part]) == [expected[0][: expected[0].index(part)]]


@pytest.mark.parametrize("positions", [1, 30, 8192])
def test_scores_of_texts_of_opt_are_those_of_transformers(
    model: CausalLanguageModel, plain: Plain, positions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_reader, "POSITIONS", positions)
    expected = [plain.score(prompt, text) for prompt, text in zip(PROMPTS, CONTINUATIONS, strict=True)]
    assert_close(model.score_texts(PROMPTS, CONTINUATIONS), expected, rtol=1e-5, atol=1e-5)
    many = [plain.score(PROMPTS[2], text) for text in CONTINUATIONS]
    assert_close(model.score_texts([PROMPTS[2]] * 4, CONTINUATIONS), many, rtol=1e-5, atol=1e-5)


def test_scores_in_bfloat16_are_close_to_those_in_float32(folder: Path, model: CausalLanguageModel) -> None:
    half = load_opt(folder, Settings(dtype="bfloat16"))
    assert half.language.dtype == torch.bfloat16
    scores, expected = (scorer.score_texts(PROMPTS, CONTINUATIONS) for scorer in (half, model))
    assert_close(scores, expected, rtol=0.05, atol=0.05)


def test_prompts_with_pictures_or_too_many_tokens_are_refused(model: CausalLanguageModel) -> None:
    picture = Prompt(("a", Image.new("RGB", (4, 4))))
    for ask in (lambda: model.generate_texts([picture], 2), lambda: model.score_texts([picture], ["a"])):
        with pytest.raises(InputError, match="reads no pictures, but a prompt has 1"):
            ask()
    with pytest.raises(InputError, match=r"prompt 1: \d+ tokens .* reads at most 2048"):
        model.generate_texts([PROMPTS[0], Prompt(("red " * 2100,))], 2)


def test_folders_that_hold_no_language_model_are_refused(folder: Path, tmp_path: Path) -> None:
    def refused(weights: dict[str, Path], message: str) -> None:
        for ask in (adapter.check, lambda w, s: adapter.load(w, s, "cpu")):
            with pytest.raises(InputError, match=message):
                ask(weights, Settings())

    def refused_when_loaded(folder: Path, message: str) -> None:
        with pytest.raises(InputError, match=message):
            adapter.load({"network": folder}, Settings(), "cpu")

    refused({"model": folder}, "expected 'network' alone")
    refused({"network": folder, "llm": folder}, "expected 'network' alone")
    refused({"llm": tmp_path / "nowhere"}, "no such folder")
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    file = other / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "model_type": "gpt2"}))
    refused_when_loaded(other, "weights of GPT2LMHeadModel are missing")
    file.write_text(json.dumps({**json.loads(file.read_text()), "model_type": "clip_vision_model"}))
    refused_when_loaded(other, "CLIPVisionConfig")
    lacking = Path(shutil.copytree(folder, tmp_path / "lacking"))
    (lacking / "vocab.json").unlink()
    refused({"llm": lacking}, r"has no vocab\.json")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("causal")
    return lambda name: root / name if (root / name).is_dir() else write_causal_lm(name, root / name)


class AnyPlain(Plain):
    """transformers alone, with the tokens that a tokenizer itself puts before a text."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = hf.AutoTokenizer.from_pretrained(folder)
        self.network = hf.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    def ids(self, prompt: Prompt) -> list[int]:
        ids: list[int] = self.tokenizer(" ".join(prompt.texts)).input_ids
        return ids or [self.tokenizer.bos_token_id]


@pytest.mark.parametrize("name", CAUSAL)
def test_texts_and_scores_of_any_language_model_are_those_of_transformers(
    name: str, network: Callable[[str], Path]
) -> None:
    folder = network(name)
    plain = AnyPlain(folder)
    model = adapter.load({"network": folder}, Settings(), "cpu")
    assert isinstance(model, AnyCausalLanguageModel)
    assert isinstance(model, TextGenerator)
    assert isinstance(model, TextScorer)
    expected = [plain.text(prompt, 6) for prompt in PROMPTS]
    assert model.generate_texts(PROMPTS, 6) == expected
    assert len(set(expected)) > 1
    stop = next(text for text in expected if len(text) > 1)
    cut = stop[: stop.index(stop[1])]
    assert model.generate_texts([PROMPTS[expected.index(stop)]], 6, [stop[1]]) == [cut]
    by_hand = [plain.score(prompt, text) for prompt, text in zip(PROMPTS, CONTINUATIONS, strict=True)]
    assert_close(model.score_texts(PROMPTS, CONTINUATIONS), by_hand, rtol=1e-4, atol=1e-4)
    many = [plain.score(PROMPTS[0], text) for text in CONTINUATIONS * 3]  # more than one pass
    assert_close(model.score_texts([PROMPTS[0]] * 12, CONTINUATIONS * 3), many, rtol=1e-4, atol=1e-4)
    assert model.count_tokens(["red", ""])[1] == 0


def test_any_language_model_refuses_pictures_and_prompts_that_are_too_long(network: Callable[[str], Path]) -> None:
    model = adapter.load({"network": network("llama")}, Settings(), "cpu")
    with pytest.raises(InputError, match="reads no pictures, but a prompt has 1"):
        model.generate_texts([Prompt(("a", Image.new("RGB", (4, 4))))], 2)
    with pytest.raises(InputError, match=r"prompt 0: \d+ tokens .* reads at most 512"):
        model.score_texts([Prompt(("red" * 200,))], ["a"])


def test_control_tokens_in_prompts_of_any_language_model_are_text(network: Callable[[str], Path]) -> None:
    model = adapter.load({"network": network("qwen3")}, Settings(), "cpu")
    assert isinstance(model, AnyCausalLanguageModel)
    special = model._tokenizer.convert_tokens_to_ids(["</s>", "<|end|>"])
    ids = model._encoded([Prompt(("a</s>b<|end|>",))])["input_ids"]
    assert not {*special} & {*ids.flatten().tolist()}


def test_the_card_names_every_setting() -> None:
    card = Cards(()).model("opt")
    assert check_settings(card).model_dump() == dict(card.settings) == Settings().model_dump()
    assert card.inputs == ("text",)


def test_a_language_model_adds_nothing_to_vocabulary_or_table(folder: Path, model: CausalLanguageModel) -> None:
    config = json.loads((folder / "config.json").read_text())
    assert model.tokens.image_ids == []
    assert model.tokens.size == len(json.loads((folder / "vocab.json").read_text()))
    assert len(model.language._model.get_input_embeddings().weight) == config["vocab_size"]
