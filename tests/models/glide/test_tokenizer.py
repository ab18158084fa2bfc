from __future__ import annotations

import json
from pathlib import Path

import pytest

from gill_bench.errors import InputError
from gill_bench.models.glide.files import check_tokenizer_files
from gill_bench.models.glide.tokenizer import GlideTokenizer
from tests.models.glide.tiny import CONTEXT, TEXT, write_words

PADDING = TEXT.vocabulary - 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_words(tmp_path / "words")


def read(folder: Path, *texts: str) -> list[list[str]]:
    names = {number: token for token, number in json.loads((folder / "vocab.json").read_text("utf-8")).items()}
    tokens = GlideTokenizer(folder, CONTEXT, PADDING)(texts)
    return [[names[int(token)] for token in ids[mask]] for ids, mask in zip(tokens.ids, tokens.mask, strict=True)]


def test_lower_case_and_nothing_around_a_text(folder: Path) -> None:
    assert read(folder, "A Dog", "dog cat", "") == [["a", "Ġ", "dog"], ["dog", "Ġcat"], []]


def test_spaces_and_special_tokens_are_text(folder: Path) -> None:
    assert read(folder, " a  dog", "<|endoftext|>"[:6], "é") == [
        ["Ġa", "Ġ", "Ġ", "dog"],
        ["<", "|", "e", "n", "do"],
        ["Ã", "©"],
    ]
    whole = GlideTokenizer(folder, 20, PADDING)(["<|endoftext|>"])
    assert PADDING not in whole.ids[whole.mask]


def test_short_texts_are_padded_and_long_ones_cut_and_marked(folder: Path) -> None:
    tokens = GlideTokenizer(folder, CONTEXT, PADDING)(["dog", "x" * CONTEXT, "x" * CONTEXT + "dog"])
    assert tokens.ids.shape == tokens.mask.shape == (3, CONTEXT)
    assert tokens.mask.sum(1).tolist() == [1, CONTEXT, CONTEXT]
    assert tokens.ids[0, 1:].tolist() == [PADDING] * (CONTEXT - 1)
    assert tokens.ids[1].tolist() == tokens.ids[2].tolist()
    assert tokens.truncated == [False, False, True]


def test_tokens_are_those_of_transformers(folder: Path) -> None:
    from transformers import GPT2Tokenizer

    stock = GPT2Tokenizer.from_pretrained(folder)
    texts = ["the red dog's  cat", "two\n\ncats, 12 DOGS!", "日本 — dog", "we've a cat<|endoftext|>"]
    tokens = GlideTokenizer(folder, 60, PADDING)(texts)
    for text, ids, mask in zip(texts, tokens.ids, tokens.mask, strict=True):
        assert ids[mask].tolist() == stock(text.lower(), split_special_tokens=True)["input_ids"]


def test_tokenizer_files_load_under_their_released_names_too(folder: Path) -> None:
    expected = read(folder, "a red cat")
    words = folder / "vocab.json"
    (folder / "encoder.json").write_text(words.read_text("utf-8"), "utf-8")
    (folder / "merges.txt").rename(folder / "vocab.bpe")
    check_tokenizer_files(folder, TEXT.vocabulary)
    first = GlideTokenizer(folder, CONTEXT, PADDING)(["a red cat"])
    words.rename(folder / "vocab.json.old")
    (folder / "vocab.json").write_text((folder / "encoder.json").read_text("utf-8"), "utf-8")
    (folder / "vocab.bpe").rename(folder / "merges.txt")
    assert read(folder, "a red cat") == expected
    assert first.ids.tolist() == GlideTokenizer(folder, CONTEXT, PADDING)(["a red cat"]).ids.tolist()


def test_damaged_tokenizer_files_are_named(folder: Path) -> None:
    check_tokenizer_files(folder, TEXT.vocabulary)
    with pytest.raises(InputError, match=r"vocab\.json: 265 entries, but the networks know the ids 0 to 299"):
        check_tokenizer_files(folder, 300)
    lines = (folder / "merges.txt").read_text("utf-8").splitlines()
    (folder / "merges.txt").write_text("\n".join(lines[:-2]), "utf-8")
    with pytest.raises(InputError, match=r"merges\.txt: no merge gives 2 of the tokens of vocab\.json, such as 're'"):
        check_tokenizer_files(folder, TEXT.vocabulary)
    (folder / "merges.txt").write_text("dog\nno merges here", "utf-8")
    with pytest.raises(InputError, match=r"merges\.txt: cannot be read"):
        GlideTokenizer(folder, CONTEXT, PADDING)
    (folder / "merges.txt").unlink()
    with pytest.raises(InputError, match="expected GPT-2's tokenizer"):
        check_tokenizer_files(folder, TEXT.vocabulary)
