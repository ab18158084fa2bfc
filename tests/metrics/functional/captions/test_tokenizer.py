"""The PTB tokeniser: equal to pycocoevalcap's, aligned for any text, independent of the neighbouring captions."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from gill_bench.errors import GillBenchError
from gill_bench.metrics.functional.captions import tokenizer
from gill_bench.metrics.functional.captions.tokenizer import PUNCTUATION, TokenCache, tokenise
from tests.metrics.functional.captions.conftest import reference_tokens
from tests.support.captions import made_up_captions, write_java


def test_there_are_seventeen_punctuation_tokens() -> None:
    from pycocoevalcap.tokenizer.ptbtokenizer import PUNCTUATIONS

    assert frozenset(PUNCTUATIONS) == PUNCTUATION
    assert len(PUNCTUATION) == 17


@pytest.mark.usefixtures("java")
def test_tokens_of_real_captions_are_those_of_pycocoevalcap(real_data: Path) -> None:
    file = real_data / "coco" / "annotations" / "captions_val2017.json"
    captions = [record["caption"] for record in json.loads(file.read_text(encoding="utf-8"))["annotations"]]
    assert len(captions) == 25014
    original = reference_tokens({"all": [" ".join(caption.splitlines()) for caption in captions]})["all"]
    assert tokenise(captions) == original


@pytest.mark.usefixtures("java")
def test_tokens_of_clean_texts_are_those_of_pycocoevalcap() -> None:
    # Followed, as most captions are, by a capital; see the next but one test.
    captions = [text for text in made_up_captions(400, 1, nasty=False) if text] + ["A dog runs (fast), doesn't it?"]
    original = reference_tokens({"all": [text for caption in captions for text in (caption, "A cat")]})["all"]
    assert tokenise(captions) == original[::2]


@pytest.mark.usefixtures("java")
def test_quirks_of_the_original_tokeniser_are_kept() -> None:
    texts = ['The "Red" (big) dog\'s ball...', "3 1/2 pizzas - now!", "?!", "", "  ", "é 😀 x", "A DOG", "a\rb\u2028c"]
    assert tokenise(texts) == [
        "the red -lrb- big -rrb- dog 's ball", "3\xa01/2 pizzas now", "?!", "", "", "é x", "a dog", "a b c",
    ]  # fmt: skip


@pytest.mark.usefixtures("java")
def test_a_text_gets_the_same_tokens_beside_any_other() -> None:
    texts = ["intersection of S Lane and 12th Ave S.", "a sheep on top of a.", *made_up_captions(4000, 2)]
    tokens = dict(zip(texts, tokenise(texts), strict=True))
    shuffled = random.Random(0).sample(texts, len(texts))
    assert dict(zip(shuffled, tokenise(shuffled), strict=True)) == tokens
    assert len(set(tokens.values())) > 2000
    some = texts[:3]
    assert tokenise([*some[::-1], "a b"])[2::-1] == [tokens[text] for text in some]
    assert [tokens[text] for text in some[:2]] == ["intersection of s lane and 12th ave s", "a sheep on top of a"]


@pytest.mark.usefixtures("java")
def test_a_very_long_text_is_tokenised() -> None:
    assert tokenise(["word " * 50_000, "x" * 100_000, "end"]) == [" ".join(["word"] * 50_000), "x" * 100_000, "end"]


@pytest.mark.usefixtures("java")
@pytest.mark.parametrize("locale", ["de_DE.UTF-8", "C", "tr_TR.UTF-8"])
def test_the_locale_changes_no_token(monkeypatch: pytest.MonkeyPatch, locale: str) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    language = locale[:2].lower()
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", f"-Duser.language={language}" if language != "c" else "")
    assert tokenise(["I PICNIC IN É 1,5"]) == ["i picnic in é 1,5"]


@pytest.mark.usefixtures("java")
def test_tokenising_writes_nothing_into_pycocoevalcap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import pycocoevalcap.tokenizer.ptbtokenizer as original

    folder = Path(original.__file__).parent
    before = folder.stat().st_mtime_ns
    monkeypatch.chdir(tmp_path)
    tokenise(["a cat"])
    assert folder.stat().st_mtime_ns == before
    assert not list(tmp_path.iterdir())


def test_additional_lines_of_the_tokeniser_are_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bad = write_java(tmp_path / "bin", "cat; [ $# -eq 1 ] || echo one more")
    monkeypatch.setattr(tokenizer, "require_java", lambda: str(bad))
    with pytest.raises(GillBenchError, match="gave lines that do not belong"):
        tokenise(["a cat"])


def test_a_tokeniser_that_fails_is_an_error_with_its_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bad = write_java(tmp_path / "bin", "echo 'no memory' >&2; exit 3")
    monkeypatch.setattr(tokenizer, "require_java", lambda: str(bad))
    with pytest.raises(GillBenchError, match="tokenising 2 captions failed, exit code 3: no memory"):
        tokenise(["a cat", "a dog"])
    monkeypatch.setattr(tokenizer, "_SECONDS", 0.1)
    (tmp_path / "bin" / "java").write_text("#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(GillBenchError, match="took over"):
        tokenise(["a cat"])


def test_an_empty_list_is_tokenised_without_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert tokenise([]) == []


def test_references_are_tokenised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []

    def upper(texts: list[str]) -> list[str]:
        calls.append(texts)
        return [text.upper() for text in texts]

    monkeypatch.setattr(tokenizer, "tokenise", upper)
    monkeypatch.setattr(tokenizer, "_MOST_CACHED", 3)
    cache = TokenCache()
    assert cache.tokenise(["a", "b", "a"], ["p"]) == ({"a": "A", "b": "B"}, ["P"])
    assert cache.tokenise(["b", "c"], ["q", "b"]) == ({"b": "B", "c": "C"}, ["Q", "B"])
    assert cache.tokenise(["a", "d"], []) == ({"a": "A", "d": "D"}, [])  # one too many: all is forgotten but this
    assert cache.tokenise(["d", "a"], []) == ({"d": "D", "a": "A"}, [])
    assert calls == [["a", "b", "p"], ["c", "q", "b"], ["d"], ["a"]]
