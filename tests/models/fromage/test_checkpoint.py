"""Layouts that must load, and checkpoints that must be refused before the large weights load."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch.testing import assert_close

from gill_bench.errors import InputError
from gill_bench.models import fromage as adapter
from gill_bench.models.fromage import Settings
from gill_bench.models.fromage.checking import FromageSizes
from gill_bench.models.fromage.model import Fromage
from gill_bench.models.fromage.network import FromageHeads
from gill_bench.prompt import Prompt
from tests.models.fromage.build import State, state_dict
from tests.models.fromage.conftest import weights_of
from tests.support.random_weights import build_gill

PROMPTS = [Prompt(("a large red circle .",)), Prompt(("it moves", " away"))]
Edit = Callable[[Callable[[State], Any]], dict[str, Path]]
RET, TABLE = "ret_input_embeddings.weight", "model.input_embeddings.weight"


@pytest.fixture(scope="module")
def released(folder: Path) -> Fromage:
    return Fromage.load(weights_of(folder, "vis1"), Settings(squash_size=32), "cpu")


def same(released: Fromage, weights: dict[str, Path], tolerance: float = 1e-6) -> None:
    adapter.check(weights, Settings(squash_size=32))
    other = adapter.load(weights, Settings(squash_size=32), "cpu")
    assert_close(other.embed_prompts(PROMPTS), released.embed_prompts(PROMPTS), rtol=tolerance, atol=tolerance)


def refused(weights: dict[str, Path], *parts: str) -> None:
    """`check` and `load` say the same, in at most three lines that name every one of the parts."""
    for ask in (adapter.check, lambda w, s: adapter.load(w, s, "cpu")):
        with pytest.raises(InputError) as caught:
            ask(weights, Settings(squash_size=32))
        message = str(caught.value)
        assert message.count("\n") <= 2
        assert len(message) < 900
        for part in parts:
            assert part in message


@pytest.mark.parametrize(("k", "numbers"), [(1, 5_513_729), (4, 5_513_729 + 3 * (4096 * 1024 + 4096))])
def test_the_published_networks_have_the_published_size(k: int, numbers: int) -> None:
    with torch.device("meta"):
        heads = FromageHeads(FromageSizes(4096, 1024, k, 256))
    assert sum(parameter.numel() for parameter in heads.parameters()) == numbers
    shapes = {key: tuple(value.shape) for key, value in heads.state_dict().items()}
    assert {
        RET if key == "ret_input_embeddings.weight" else f"model.{key}": shape for key, shape in shapes.items()
    } == {
        "model.logit_scale": (),
        "model.text_hidden_fcs.0.0.weight": (256, 4096),
        "model.text_hidden_fcs.0.0.bias": (256,),
        "model.visual_embeddings.weight": (4096 * k, 1024),
        "model.visual_embeddings.bias": (4096 * k,),
        "model.visual_fc.weight": (256, 1024),
        "model.visual_fc.bias": (256,),
        "ret_input_embeddings.weight": (1, 4096),
    }


def test_an_embedding_of_ret_stored_as_a_vector_loads(edit: Edit, released: Fromage) -> None:
    same(released, edit(lambda state: state.update({RET: state[RET][0]})))


def test_keys_with_the_prefix_of_data_parallel_training_load(edit: Edit, released: Fromage) -> None:
    def training(state: State) -> dict[str, Any]:
        prefixed = {f"module.{key}": value for key, value in state.items()}
        return {"epoch": 3, "optimizer": {"state": {}}, "state_dict": prefixed}

    same(released, edit(training))


def test_a_whole_embedding_table_is_not_read(edit: Edit, released: Fromage) -> None:
    table = torch.full((released.tokens.size, 96), torch.nan)
    same(released, edit(lambda state: state.update({TABLE: table})))


def test_an_embedding_table_of_another_vocabulary_is_refused(edit: Edit) -> None:
    weights = edit(lambda state: state.update({TABLE: torch.zeros(99, 96)}))
    with pytest.raises(InputError, match=re.escape(f"{TABLE} (99, 96) instead of (")):
        adapter.load(weights, Settings(), "cpu")


@pytest.mark.parametrize("shape", [(99, 95), (96,), ()])
def test_an_embedding_table_of_another_shape_is_refused(edit: Edit, shape: tuple[int, ...]) -> None:
    refused(edit(lambda state: state.update({TABLE: torch.zeros(shape)})), f"{TABLE} {shape} instead of")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_checkpoint_in_half_precision_loads(edit: Edit, released: Fromage, dtype: torch.dtype) -> None:
    halved = edit(lambda state: state.update({key: value.to(dtype) for key, value in state.items()}))
    same(released, halved, 0.03)


def test_a_checkpoint_in_safetensors_loads(edit: Edit, released: Fromage) -> None:
    state_of: State = {}
    weights = edit(lambda state: state_of.update(state))
    (weights["checkpoint"] / "pretrained_ckpt.pth.tar").unlink()
    save_file(state_of, weights["checkpoint"] / "pretrained_ckpt.safetensors")
    same(released, weights)


@pytest.mark.parametrize("key", sorted(state_dict(1)))
def test_every_key_of_a_checkpoint_is_needed(edit: Edit, key: str) -> None:
    refused(edit(lambda state: {"state_dict": {k: v for k, v in state.items() if k != key}}), f"missing: {key}")


@pytest.mark.parametrize("key", sorted(state_dict(1)))
def test_the_shape_of_every_tensor_is_checked(edit: Edit, key: str) -> None:
    weights = edit(lambda state: state.update({key: torch.zeros(3, *state[key].shape)}))
    refused(weights, "pretrained_ckpt.pth.tar", f"of another shape: {key} (3,")


def test_keys_that_are_not_of_fromage_are_refused(edit: Edit) -> None:
    weights = edit(lambda state: state.update({"model.gen_text_hidden_fcs.0.fc.weight": torch.zeros(1)}))
    refused(weights, "the 8 tensors of FROMAGe", "not of FROMAGe: model.gen_text_hidden_fcs.0.fc.weight")


def test_weights_of_the_other_variant_are_refused(edit: Edit) -> None:
    weights = edit(lambda state: None)
    file = weights["checkpoint"] / "model_args.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "n_visual_tokens": 4}))
    refused(weights, "model.visual_embeddings.weight (96, 64) instead of (384, 64)")


def test_weights_that_are_not_finite_are_refused(edit: Edit) -> None:
    def poison(state: State) -> None:
        state["model.visual_fc.weight"][0, 0] = torch.nan

    with pytest.raises(InputError, match=r"model\.visual_fc\.weight holds values that are not finite"):
        adapter.load(edit(poison), Settings(), "cpu")


def test_code_in_a_checkpoint_never_runs(edit: Edit, tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "attacked"),)

    refused(edit(lambda state: {"state_dict": state, "epoch": Attack()}), "pretrained_ckpt.pth.tar", "never run")
    assert not (tmp_path / "attacked").exists()


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ("{", ["cannot be read as JSON"]),
        ({"n_visual_tokens": 0}, ["n_visual_tokens = 0"]),
        ({"shared_emb_dim": "wide"}, ["shared_emb_dim = 'wide'"]),
        ({"text_emb_layers": [-1, 3]}, ["text_emb_layers"]),
        ({"opt_version": "facebook/opt-6.7b"}, ["opt_version", "4096", "96"]),
        ({"visual_encoder": "openai/clip-vit-large-patch14"}, ["visual_encoder", "1024", "64"]),
    ],
)
def test_wrong_values_in_model_args_are_refused(edit: Edit, change: str | dict[str, Any], parts: list[str]) -> None:
    weights = edit(lambda state: None)
    file = weights["checkpoint"] / "model_args.json"
    text = change if isinstance(change, str) else json.dumps({**json.loads(file.read_text()), **change})
    file.write_text(text)
    refused(weights, *parts)


def test_a_checkpoint_of_gill_is_refused(folder: Path, tmp_path: Path) -> None:
    build_gill(tmp_path / "gill", 427)
    refused({**weights_of(folder, "vis1"), "checkpoint": tmp_path / "gill"}, "model_args.json", "'shared_emb_dim'")


def test_missing_arguments_files_and_components_are_named(edit: Edit, tmp_path: Path) -> None:
    weights = edit(lambda state: None)
    file = weights["checkpoint"] / "model_args.json"
    arguments = json.loads(file.read_text())
    del arguments["n_visual_tokens"]
    file.write_text(json.dumps(arguments))
    refused(weights, "model_args.json", "'n_visual_tokens' is missing")
    file.write_text(json.dumps({**arguments, "n_visual_tokens": 1}))
    (weights["checkpoint"] / "pretrained_ckpt.pth.tar").unlink()
    refused(weights, "no weights in it", "pretrained_ckpt.pth.tar")
    file.unlink()
    refused(weights, "model_args.json")
    refused({"checkpoint": tmp_path}, "'llm' is missing; expected checkpoint, llm, visual_encoder")


def test_a_tokenizer_with_other_added_tokens_is_refused(folder: Path, tmp_path: Path, released: Fromage) -> None:
    from transformers import AutoTokenizer

    shutil.copytree(folder / "opt-mini", tmp_path / "opt")
    tokenizer = AutoTokenizer.from_pretrained(folder / "opt-mini")
    tokenizer.add_tokens(["[RET]", "[IMG0]"])
    tokenizer.save_pretrained(tmp_path / "opt")
    weights = {**weights_of(folder, "vis1"), "llm": tmp_path / "opt"}
    with pytest.raises(InputError, match=r"\[RET\] have the ids .* this tokenizer has other additions"):
        adapter.load(weights, Settings(), "cpu")


def test_from_pretrained_finds_what_the_arguments_name(folder: Path, released: Fromage) -> None:
    other = Fromage.from_pretrained(folder / "vis1", settings=Settings(squash_size=32))
    assert_close(other.embed_prompts(PROMPTS), released.embed_prompts(PROMPTS))
    with pytest.raises(InputError, match="nowhere: no such folder"):
        Fromage.from_pretrained(folder / "vis1", llm=Path("nowhere"))
