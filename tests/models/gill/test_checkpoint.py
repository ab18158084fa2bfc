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

from gill_bench.errors import GillBenchError, InputError
from gill_bench.interfaces import Noise
from gill_bench.models import gill as adapter
from gill_bench.models.gill import Settings
from gill_bench.models.gill.model import Gill
from gill_bench.prompt import Prompt
from tests.models.gill.conftest import State, copied

PROMPTS = [Prompt(("a large red circle .",))]
Edit = Callable[[Callable[[State], Any]], dict[str, Path]]
Table = "model.input_embeddings.weight"


def same(gill: Gill, weights: dict[str, Path], tolerance: float = 1e-6) -> None:
    settings = Settings(squash_size=32)
    adapter.check(weights, settings)
    other = adapter.load(weights, settings, "cpu")
    assert_close(other.conditioning(PROMPTS), gill.conditioning(PROMPTS), rtol=tolerance, atol=tolerance)


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


def test_the_small_checkpoint_has_the_keys_of_the_real_one(folder: Path) -> None:
    state = torch.load(folder / "gill-mini" / "pretrained_ckpt.pth.tar", weights_only=True)["state_dict"]
    assert len(state) == 137
    assert state[Table].shape == (8, 96)
    assert state["model.gen_text_hidden_fcs.0.tfm.decoder.layers.3.multihead_attn.in_proj_weight"].shape == (192, 64)


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module._orig_mod.", "model._orig_mod."])
def test_keys_with_the_prefix_of_a_compiled_model_load(edit: Edit, gill: Gill, prefix: str) -> None:
    def compiled(state: State) -> dict[str, Any]:
        if prefix.startswith("model."):
            return {"state_dict": {key.replace("model.", prefix, 1): value for key, value in state.items()}}
        return {"state_dict": {prefix + key: value for key, value in state.items()}}

    same(gill, edit(compiled))


def test_a_tensor_stored_with_and_without_a_prefix_is_refused(edit: Edit) -> None:
    """A tensor stored both with and without a wrapper's prefix is an error, since nothing says which is right."""
    weights = edit(lambda state: {"state_dict": {**state, f"_orig_mod.{Table}": state[Table] + 1}})
    refused(weights, "pretrained_ckpt.pth.tar", "has tensors twice, with and without 'module.' or '_orig_mod.'")


def test_keys_with_the_prefix_of_data_parallel_training_load(edit: Edit, gill: Gill) -> None:
    def training(state: State) -> dict[str, Any]:
        prefixed = {key.replace("model.", "module.model.", 1): value for key, value in state.items()}
        return {"epoch": 3, "best_acc1": torch.tensor(0.1), "optimizer": {"state": {}}, "state_dict": prefixed}

    weights = edit(training)
    file = weights["checkpoint"] / "pretrained_ckpt.pth.tar"
    file.rename(file.with_name("ckpt_best.pth.tar"))
    same(gill, weights)


def test_a_full_embedding_table_gives_its_last_rows(edit: Edit, gill: Gill) -> None:
    def full(state: State) -> None:
        rows = gill.tokens.size - 8
        state[Table] = torch.cat([torch.full((rows, 96), torch.nan), state[Table]])

    same(gill, edit(full))


def test_an_embedding_table_of_another_vocabulary_is_refused(edit: Edit) -> None:
    weights = edit(lambda state: state.update({Table: torch.zeros(99, 96)}))
    with pytest.raises(InputError, match=re.escape(f"{Table} (99, 96) instead of (8, 96)")):
        adapter.load(weights, Settings(squash_size=32), "cpu")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_checkpoint_in_half_precision_loads(edit: Edit, gill: Gill, dtype: torch.dtype) -> None:
    same(gill, edit(lambda state: state.update({key: value.to(dtype) for key, value in state.items()})), 0.1)


def test_a_checkpoint_in_safetensors_loads(edit: Edit, gill: Gill) -> None:
    weights: dict[str, Path] = {}
    state_of: State = {}
    weights = edit(lambda state: state_of.update(state))
    (weights["checkpoint"] / "pretrained_ckpt.pth.tar").unlink()
    save_file(state_of, weights["checkpoint"] / "pretrained_ckpt.safetensors")
    same(gill, weights)


def test_missing_additional_and_misshapen_keys_are_all_named(edit: Edit) -> None:
    def break_it(state: State) -> None:
        del state["model.logit_scale"]
        state["model.lm.head"] = torch.zeros(1)
        state["model.visual_fc.weight"] = torch.zeros(32, 65)

    refused(
        edit(break_it),
        "pretrained_ckpt.pth.tar",
        "missing: model.logit_scale",
        "not of GILL: model.lm.head",
        "model.visual_fc.weight (32, 65) instead of (32, 64)",
    )


def test_many_missing_keys_are_counted(edit: Edit) -> None:
    refused(edit(lambda state: {"state_dict": {"x": torch.zeros(1)}}), "and 134 more", "not of GILL: x")


def test_code_in_a_checkpoint_never_runs(edit: Edit, tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "attacked"),)

    weights = edit(lambda state: {"state_dict": state, "epoch": Attack()})
    refused(weights, "pretrained_ckpt.pth.tar", "never run")
    assert not (tmp_path / "attacked").exists()


@pytest.mark.parametrize("size", [0, 100, 50_000])
@pytest.mark.parametrize("name", ["pretrained_ckpt.pth.tar", "decision_model.pth.tar"])
def test_truncated_files_are_refused_by_name(folder: Path, tmp_path: Path, name: str, size: int) -> None:
    weights = copied(folder, tmp_path)
    file = weights["checkpoint"] / name
    file.write_bytes(file.read_bytes()[: min(size, file.stat().st_size - 1)])
    refused(weights, name)


def test_missing_files_and_folders_are_named(folder: Path, tmp_path: Path) -> None:
    weights = copied(folder, tmp_path)
    (weights["checkpoint"] / "pretrained_ckpt.pth.tar").unlink()
    refused(weights, "no weights in it", "pretrained_ckpt.pth.tar")
    (weights["checkpoint"] / "model_args.json").unlink()
    refused(weights, "model_args.json")
    refused({**weights, "llm": tmp_path / "nowhere"}, "model_args.json")


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ("{", ["cannot be read as JSON"]),
        ("[]", ["JSON object"]),
        ({"text_fc_mode": "conv"}, ["text_fc_mode = 'conv'"]),
        ({"num_clip_tokens": None}, ["num_clip_tokens"]),
        ({"text_emb_layers": [-1, 3]}, ["text_emb_layers"]),
        ({"share_ret_gen": False}, ["share_ret_gen"]),
        ({"num_ret_tokens": 4}, ["num_tokens = 8", "num_ret_tokens = 4"]),
        ({"opt_version": "facebook/opt-6.7b"}, ["opt_version", "4096", "96"]),
        ({"visual_encoder": "openai/clip-vit-large-patch14"}, ["visual_encoder", "1024", "64"]),
    ],
)
def test_wrong_values_in_model_args_are_refused(
    folder: Path, tmp_path: Path, change: str | dict[str, Any], parts: list[str]
) -> None:
    weights = copied(folder, tmp_path)
    file = weights["checkpoint"] / "model_args.json"
    text = change if isinstance(change, str) else json.dumps({**json.loads(file.read_text()), **change})
    file.write_text(text)
    refused(weights, "model_args.json", *parts)


def test_model_args_of_older_versions_load(folder: Path, tmp_path: Path, gill: Gill) -> None:
    weights = copied(folder, tmp_path)
    file = weights["checkpoint"] / "model_args.json"
    arguments = json.loads(file.read_text())
    arguments["num_gen_tokens"] = arguments["num_ret_tokens"] = arguments.pop("num_tokens")
    for name in ("share_ret_gen", "norm_image_embed"):
        del arguments[name]
    file.write_text(json.dumps({**arguments, "no_concat_bos": False, "mask_ret_token_loss": True}))
    same(gill, weights)


def test_an_llm_or_a_clip_of_another_width_is_refused(folder: Path, tmp_path: Path) -> None:
    for component, key in (("llm", "opt_version"), ("visual_encoder", "visual_encoder")):
        (tmp_path / component).mkdir()
        weights = copied(folder, tmp_path / component)
        # The folder that the checkpoint names lies beside it and says which width is right.
        for name in ("opt-mini", "clip-mini"):
            shutil.copytree(folder / name, tmp_path / component / name)
        other = tmp_path / component / "other"
        shutil.copytree(weights[component], other)
        config = json.loads((other / "config.json").read_text())
        (config if component == "llm" else config["vision_config"]).update(hidden_size=128, word_embed_proj_dim=128)
        (other / "config.json").write_text(json.dumps(config))
        refused({**weights, component: other}, "model_args.json", key, "128")


def test_an_image_decoder_of_another_width_is_refused(folder: Path, tmp_path: Path) -> None:
    weights = copied(folder, tmp_path)
    shutil.copytree(folder / "sd-mini", tmp_path / "sd")
    config = tmp_path / "sd" / "unet" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "cross_attention_dim": 768}))
    refused({**weights, "image_decoder": tmp_path / "sd"}, "pretrained_ckpt.pth.tar", "width 48", "768")


def test_damaged_or_absent_weights_of_llm_and_clip_are_refused(folder: Path, tmp_path: Path) -> None:
    weights = copied(folder, tmp_path)
    for component in ("llm", "visual_encoder"):
        damaged = tmp_path / component
        shutil.copytree(weights[component], damaged)
        file = damaged / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-10])
        refused({**weights, component: damaged}, "model.safetensors")
        file.unlink()
        refused({**weights, component: damaged}, str(damaged), "no weights")


def test_an_llm_without_some_of_its_weights_is_refused(folder: Path, tmp_path: Path) -> None:
    weights = copied(folder, tmp_path)
    damaged = tmp_path / "llm"
    shutil.copytree(weights["llm"], damaged)
    save_file({"model.decoder.final_layer_norm.bias": torch.zeros(96)}, damaged / "model.safetensors")
    with pytest.raises(InputError, match=r"weights of OPTForCausalLM are missing"):
        adapter.load({**weights, "llm": damaged}, Settings(), "cpu")


def test_from_pretrained_finds_what_the_arguments_name(folder: Path, gill: Gill) -> None:
    other = Gill.from_pretrained(folder / "gill-mini", settings=Settings(squash_size=32))
    assert_close(other.conditioning(PROMPTS), gill.conditioning(PROMPTS))
    with pytest.raises(InputError, match="nowhere: no such folder"):
        Gill.from_pretrained(folder / "gill-mini", llm=Path("nowhere"))


def test_a_model_in_bfloat16_is_close_to_that_in_float32(weights: dict[str, Path], gill: Gill) -> None:
    settings = Settings(squash_size=32, num_inference_steps=2, safety_checker=False)
    decoder = weights["image_decoder"]
    half = Gill.from_pretrained(weights["checkpoint"], None, None, decoder, dtype="bfloat16", settings=settings)
    states = half.image_token_states(PROMPTS)
    assert states.dtype == torch.bfloat16
    assert_close(states.float(), gill.image_token_states(PROMPTS), rtol=0, atol=0.2)
    assert half.embed_prompts(PROMPTS).dtype.name == "float32"
    assert half.mean_log_likelihood(PROMPTS) == pytest.approx(gill.mean_log_likelihood(PROMPTS), rel=0.05)
    assert len(half.generate_texts(PROMPTS, 4)) == 1
    assert half.generate_images(PROMPTS, [[Noise(0)]])[0][0].image.size == (32, 32)


def test_values_that_are_not_finite_are_refused(edit: Edit, settings: Settings) -> None:
    def poison(state: State) -> None:
        state["model.visual_fc.weight"][0, 0] = torch.nan

    with pytest.raises(InputError, match=r"model\.visual_fc\.weight holds values that are not finite"):
        Gill.load(edit(poison), settings, "cpu")


def test_states_gone_wrong_give_no_conditioning(gill: Gill) -> None:
    states = gill.image_token_states([Prompt(("a",)), Prompt(("b",))]).clone()
    states[1, 0, 0] = torch.inf
    with pytest.raises(GillBenchError, match="conditioning of prompt 1 of 2 is not finite"):
        gill.condition(states)
