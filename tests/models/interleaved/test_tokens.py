from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gill_bench.errors import InputError
from gill_bench.models.gill.model import Gill
from gill_bench.models.interleaved.prompt_encoder import PromptEncoder
from gill_bench.models.interleaved.tokens import load_tokens
from gill_bench.prompt import Prompt


def test_added_tokens_have_the_last_ids_in_order(folder: Path, gill: Gill) -> None:
    vocabulary = len(json.loads((folder / "opt-mini" / "vocab.json").read_text()))
    rows = json.loads((folder / "opt-mini" / "config.json").read_text())["vocab_size"]
    assert gill.tokens.image_ids == list(range(vocabulary + 1, vocabulary + 9))
    # As with OPT-6.7b, six of the tokens fall into rows that exist, two do not.
    assert [token < rows for token in gill.tokens.image_ids] == [True] * 6 + [False] * 2
    assert gill.tokens.bos == 2
    assert gill.tokens.decode([2, *gill.tokens.image_ids, 1]) == "".join(gill.tokens.names)


def test_tokenizers_of_both_file_layouts_load(folder: Path, gill: Gill, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(folder / "opt-mini").save_pretrained(tmp_path)
    assert (tmp_path / "tokenizer.json").is_file()
    assert not (tmp_path / "vocab.json").exists()
    shutil.copy(folder / "opt-mini" / "config.json", tmp_path)
    tokens = load_tokens(tmp_path, 8)
    text = "a large red circle é\nQ: </s>"
    assert (tokens.bos, tokens.image_ids, tokens.encode(text)) == (2, gill.tokens.image_ids, gill.tokens.encode(text))


def test_a_tokenizer_saved_with_added_tokens_loads_if_they_are_its_last(
    folder: Path, gill: Gill, tmp_path: Path
) -> None:
    shutil.copy(folder / "opt-mini" / "config.json", tmp_path)
    gill.tokens._tokenizer.save_pretrained(tmp_path)
    assert load_tokens(tmp_path, 8).image_ids == gill.tokens.image_ids
    with pytest.raises(InputError, match="expected the last ones"):
        load_tokens(tmp_path, 4)


def test_bos_is_found_where_the_library_does_not_prepend_it(folder: Path, gill: Gill, tmp_path: Path) -> None:
    shutil.copytree(folder / "opt-mini", tmp_path / "opt")
    file = tmp_path / "opt" / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "add_bos_token": False}))
    tokens = load_tokens(tmp_path / "opt", 8)
    assert (tokens.bos, tokens.encode("a b")) == (2, gill.tokens.encode("a b"))


def test_a_damaged_tokenizer_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "opt-mini", tmp_path / "opt")
    (tmp_path / "opt" / "merges.txt").write_text("#version: 0.2\nnot a merge\n")
    with pytest.raises(InputError, match="tokenizer cannot be loaded"):
        load_tokens(tmp_path / "opt", 8)


def ids_of(gill: Gill, prompt: Prompt, always: bool = False) -> list[int]:
    encoder = PromptEncoder(gill.tokens, gill.language, gill.vision, gill.heads, always)
    labels: list[int] = encoder.encode([prompt])[0].labels.tolist()
    return labels


@given(st.lists(st.sampled_from(["a", " red", "", "\n", None]), min_size=1, max_size=6))
def test_bos_exactly_once_before_the_first_text(gill: Gill, prompts: list[Prompt], plan: list[str | None]) -> None:
    picture = prompts[1].images[0]
    prompt = Prompt(tuple(picture if part is None else part for part in plan))
    ids = ids_of(gill, prompt)
    assert ids.count(2) == 1
    leading = next((index for index, part in enumerate(plan) if part is not None), len(plan))
    assert ids.index(2) == 4 * leading
    assert ids.count(-100) == 4 * len(prompt.images)
    assert ids_of(gill, prompt, always=True).count(2) == max(1, len(prompt.texts))


def test_the_rows_of_the_checkpoint_stand_in_the_tied_table(gill: Gill) -> None:
    table = gill.language.embed(range(gill.tokens.size))
    assert table.shape == (gill.tokens.size, 96)
    assert torch.equal(table[gill.tokens.image_ids], gill.heads.input_embeddings.weight)
    # The rows that the [IMG] rows replace, and the rows before them, stay as they are in OPT's own.
    first, own = gill.tokens.image_ids[0], gill.language._model.get_input_embeddings().weight
    assert torch.equal(table[:first], own[:first])
    assert not torch.equal(table[first], own[first])
    states = torch.randn(5, 96, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(gill.language.logits(states), states @ table.T)
    parameters = [*gill.language._model.parameters(), *gill.heads.parameters(), *gill.vision._model.parameters()]
    assert not any(parameter.requires_grad for parameter in parameters)


def test_segments_have_nothing_between_them(gill: Gill) -> None:
    assert ids_of(gill, Prompt(("a", " red"))) == [2, *gill.tokens.encode("a"), *gill.tokens.encode(" red")]
