"""Control tokens in texts of the data are text, and every other text has the ids that it always had."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from gill_bench.mini.embedded import weights_folder
from gill_bench.models.fromage.model import load_ret_tokens
from gill_bench.models.glide.tokenizer import GlideTokenizer
from gill_bench.models.interleaved.tokens import load_tokenizer, load_tokens
from gill_bench.models.literal import literal
from tests.support.tiny_text_to_image import t5_words

CONTROLS = [
    "</s>",
    "<s>",
    "<pad>",
    "<|endoftext|>",
    "<|startoftext|>",
    "<|image|>",
    "[RET]",
    *(f"[IMG{n}]" for n in range(8)),
]
WORDS = st.sampled_from(
    ["a dog", " ", "the cat .", "[IMG", "RET]", "<", "|>", "s>", "ä", "🐶", "\n", "[[", "Two", "'s", "  "]
)
ORDINARY = st.lists(st.one_of(WORDS, st.text(max_size=6)), max_size=6).map("".join)
ANY = st.lists(st.one_of(WORDS, st.sampled_from(CONTROLS), st.text(max_size=4)), max_size=6).map("".join)


def is_ordinary(text: str) -> bool:
    return not any(control in text.lower() for control in map(str.lower, CONTROLS))


def mini(name: str) -> Path:
    return weights_folder() / name


@cache
def gill_before() -> Any:
    """OPT's tokenizer with GILL's added tokens, as earlier versions loaded it."""
    tokenizer = AutoTokenizer.from_pretrained(mini("opt-mini"), local_files_only=True)
    tokenizer.add_special_tokens({"cls_token": "<|image|>"})
    for number in range(8):
        tokenizer.add_tokens(f"[IMG{number}]")
    return tokenizer


def gill(text: str) -> list[int]:
    ids: list[int] = load_gill().encode(text)
    return ids


@cache
def load_gill() -> Any:
    return load_tokens(mini("opt-mini"), 8)


@cache
def load_fromage() -> Any:
    return load_ret_tokens(mini("opt-mini"))


@cache
def fresh(name: str) -> Any:
    return AutoTokenizer.from_pretrained(mini(name), local_files_only=True)


@cache
def loaded(name: str) -> Any:
    return load_tokenizer(mini(name))


@cache
def t5(read_as_text: bool) -> Any:
    return literal(t5_words(512)) if read_as_text else t5_words(512)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(ORDINARY.filter(is_ordinary))
def test_ordinary_texts_have_the_ids_that_they_had(text: str) -> None:
    before = gill_before()(text, add_special_tokens=False)["input_ids"]
    assert gill(text) == before
    assert load_fromage().encode(text) == before
    for name in ("opt-mini", "clip-mini"):
        assert loaded(name)(text)["input_ids"] == fresh(name)(text)["input_ids"]
    assert t5(True)(text)["input_ids"] == t5(False)(text)["input_ids"]


@settings(max_examples=100, deadline=None)
@given(ANY)
def test_no_text_has_the_id_of_a_control_token(text: str) -> None:
    plain = fresh("opt-mini")(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    for tokens in (load_gill(), load_fromage()):
        assert tokens.encode(text) == plain  # as if there were no such tokens
        assert not set(plain) & {tokens.bos, *tokens.image_ids}
    assert tokens.decode(plain) == fresh("opt-mini").decode(plain, skip_special_tokens=True)
    for tokenizer in (loaded("clip-mini"), t5(True)):
        special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
        assert not set(tokenizer(text, add_special_tokens=False)["input_ids"]) & special


@pytest.mark.parametrize("make", [lambda: loaded("clip-mini"), lambda: t5(True)], ids=["clip", "t5"])
def test_begin_and_end_are_added_as_before(make: Callable[[], Any]) -> None:
    tokenizer = make()
    plain = tokenizer("a dog </s> <|endoftext|>", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a dog </s> <|endoftext|>")["input_ids"]
    assert whole[-1] == tokenizer.eos_token_id
    assert "".join(map(str, plain)) in "".join(map(str, whole))
    assert tokenizer.decode(whole, skip_special_tokens=True).replace(" ", "").startswith("adog")


def test_glide_reads_the_end_of_text_as_text() -> None:
    words = GlideTokenizer(mini("glide-mini"), 24, 0)
    ids = words(["a dog <|endoftext|>"]).ids
    assert ids[0].tolist() != words(["a dog"]).ids[0].tolist()
    assert words(["a dog <|endoftext|"]).ids[0].tolist()[:3] == ids[0].tolist()[:3]
