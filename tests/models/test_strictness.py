"""Weights of another model, and files that hold no weights, are refused by every adapter, which names key or file."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gill_bench.cards.find import Cards
from gill_bench.errors import InputError
from gill_bench.models import sharing
from gill_bench.models.interleaved.decoding import DecodingOptions
from gill_bench.planning.resolve import resolve_model
from gill_bench.prompt import Prompt

State = dict[str, Tensor]
FILES = [
    ("gill", "gill_opt/pretrained_ckpt"),
    ("gill", "opt-6.7b/model"),
    ("gill", "clip-vit-large-patch14/model"),
    ("gill", "stable-diffusion-v1-5/unet/diffusion_pytorch_model"),
    ("fromage", "fromage_model/pretrained_ckpt"),
    ("clip", "clip-vit-large-patch14/model"),
    ("glide", "glide/base"),
    ("glide", "glide/upsample"),
    ("stable-diffusion", "stable-diffusion-v1-5/text_encoder/model"),
    ("stable-diffusion", "stable-diffusion-v1-5/vae/diffusion_pytorch_model"),
    ("opt", "opt-6.7b/model"),
]
TOKENIZERS = [
    ("gill", "opt-6.7b"),
    ("fromage", "opt-6.7b"),
    ("opt", "opt-6.7b"),
    ("clip", "clip-vit-large-patch14"),
    ("stable-diffusion", "stable-diffusion-v1-5/tokenizer"),
    ("glide", "gpt2"),
]


@pytest.fixture(autouse=True)
def _nothing_is_shared_with_other_tests() -> None:
    sharing._networks.clear()


@pytest.fixture
def weights(tmp_path: Path, mini_weights: Path) -> Callable[[str], Path]:
    """A folder for --weights with a model's embedded weights, which a test may change."""

    def copied(model: str) -> Path:
        for component in Cards().model(model).weights.values():
            shutil.copytree(mini_weights / component.mini, tmp_path / component.folder, dirs_exist_ok=True)
        return tmp_path

    return copied


def refusal(model: str, folder: Path) -> str:
    """The message that says why a model does not load, of one to three lines."""
    settings: dict[str, Any] = {"safety_checker": False} if model in ("gill", "stable-diffusion") else {}
    with pytest.raises(InputError) as raised:
        resolve_model(Cards().model(model), weights=str(folder), settings=settings).load("cpu")
    assert len(str(raised.value).splitlines()) <= 3
    return str(raised.value)


def matrix(state: State) -> str:
    """The key of a matrix; of the vision tower, if the file holds both towers."""
    keys = [key for key in sorted(state) if state[key].ndim >= 2]
    return next((key for key in keys if key.startswith("vision_model.")), keys[-1])


@pytest.mark.parametrize("change", ["missing", "additional", "misshapen"])
@pytest.mark.parametrize(("model", "name"), FILES, ids=[f"{model}-{name}" for model, name in FILES])
def test_missing_additional_and_misshapen_weights_are_refused_by_key(
    model: str, name: str, change: str, weights: Callable[[str], Path]
) -> None:
    file = weights(model) / f"{name}.safetensors"
    state = load_file(file)
    key = matrix(state)
    if change == "missing":
        del state[key]
    elif change == "additional":
        key = "surprise.weight"
        state[key] = torch.zeros(2, 2)
    else:
        state[key] = torch.zeros([size + 1 for size in state[key].shape])
    save_file(state, file, metadata={"format": "pt"})
    message = refusal(model, file.parents[len(Path(name).parts) - 1])
    assert str(file.parent) in message
    # Transformers 5 names the weights of a CLIP tower without the prefix that they have in the file.
    assert key.removeprefix("text_model.").removeprefix("vision_model.") in message


OWN_FORMATS = [(model, name) for model, name in FILES if name.startswith(("gill_opt", "fromage_model", "glide"))]


@pytest.mark.parametrize("suffix", ["safetensors", "pickle"])
@pytest.mark.parametrize(("model", "name"), OWN_FORMATS, ids=[f"{model}-{name}" for model, name in OWN_FORMATS])
def test_whole_numbers_in_the_place_of_weights_are_refused(
    model: str, name: str, suffix: str, weights: Callable[[str], Path]
) -> None:
    """The formats of GILL, FROMAGe and GLIDE; `test_weight_layouts.py` tests those of transformers and diffusers."""
    file = weights(model) / f"{name}.safetensors"
    state = load_file(file)
    key = matrix(state)
    state[key] = state[key].long()
    if suffix == "pickle":
        file.unlink()
        file = file.with_suffix(".pt" if model == "glide" else ".pth.tar")
        torch.save(state if model == "glide" else {"state_dict": state}, file)
    else:
        save_file(state, file)
    message = refusal(model, file.parents[len(Path(name).parts) - 1])
    assert message.startswith(f"{file}: {key} is of type int64, expected floating-point numbers")


@pytest.mark.parametrize("suffix", ["safetensors", "pickle"])
@pytest.mark.parametrize(("model", "name"), OWN_FORMATS, ids=[f"{model}-{name}" for model, name in OWN_FORMATS])
def test_a_pointer_of_git_lfs_in_the_place_of_weights_is_named_as_one(
    model: str, name: str, suffix: str, weights: Callable[[str], Path]
) -> None:
    file = weights(model) / f"{name}.safetensors"
    file.unlink()
    if suffix == "pickle":
        file = file.with_suffix(".pt" if model == "glide" else ".pth.tar")
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    message = refusal(model, file.parents[len(Path(name).parts) - 1])
    assert message.startswith(f"{file}: a Git LFS pointer in the place of the file; fetch it with 'git lfs pull'")


@pytest.mark.parametrize("model", ["gill", "stable-diffusion", "opt", "clip", "fromage"])
def test_a_file_in_the_place_of_a_folder_is_refused(model: str, weights: Callable[[str], Path]) -> None:
    folder = weights(model)
    component = list(Cards().model(model).weights.values())[-1]
    shutil.rmtree(folder / component.folder)
    (folder / component.folder).write_bytes(b"weights")
    message = refusal(model, folder)
    assert str(folder / component.folder) in message
    assert "a single file, expected the folder" in message or "a file, expected a folder" in message


class Code:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize(("model", "name"), FILES, ids=[f"{model}-{name}" for model, name in FILES])
def test_code_in_a_pickle_never_runs(model: str, name: str, weights: Callable[[str], Path], tmp_path: Path) -> None:
    file = weights(model) / f"{name}.safetensors"
    state: dict[str, Any] = load_file(file)
    file.unlink()
    names = {"model": "pytorch_model.bin", "pretrained_ckpt": "pretrained_ckpt.pth.tar"}
    pickled = names.get(file.stem, f"{file.stem}.{'pt' if model == 'glide' else 'bin'}")
    torch.save({**state, "surprise": Code(tmp_path / "ran")}, file.parent / pickled)
    message = refusal(model, tmp_path)
    assert str(file.parent) in message
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("model", "name"), TOKENIZERS)
def test_a_tokenizer_with_more_tokens_than_embeddings_is_refused(
    model: str, name: str, weights: Callable[[str], Path]
) -> None:
    folder = weights(model)
    file = folder / name / "vocab.json"
    vocabulary = json.loads(file.read_text())
    vocabulary |= {f"token{number}": len(vocabulary) + number for number in range(30)}
    file.write_text(json.dumps(vocabulary))
    message = refusal(model, folder)
    assert str(folder / name) in message
    assert "embeddings" in message or "the networks know the ids" in message


@pytest.mark.parametrize("lacking", ["vocab.json", "merges.txt"])
@pytest.mark.parametrize(("model", "name"), TOKENIZERS)
def test_a_tokenizer_that_lacks_a_file_is_refused(
    model: str, name: str, lacking: str, weights: Callable[[str], Path]
) -> None:
    folder = weights(model)
    (folder / name / lacking).unlink()
    message = refusal(model, folder)
    assert str(folder / name) in message
    assert lacking in message


def test_a_tokenizer_that_cannot_pad_is_refused(weights: Callable[[str], Path]) -> None:
    folder = weights("clip")
    (folder / "clip-vit-large-patch14" / "special_tokens_map.json").unlink(missing_ok=True)
    config = {"tokenizer_class": "GPT2Tokenizer", "eos_token": "<|endoftext|>"}
    (folder / "clip-vit-large-patch14" / "tokenizer_config.json").write_text(json.dumps(config))
    message = refusal("clip", folder)
    assert str(folder / "clip-vit-large-patch14") in message
    assert "has no token for the end of a text, or no token for padding" in message


def test_a_tokenizer_without_a_newline_is_refused(weights: Callable[[str], Path]) -> None:
    folder = weights("gill")
    file = folder / "opt-6.7b" / "vocab.json"
    vocabulary = json.loads(file.read_text())
    file.write_text(json.dumps({{"\u010a": "lost"}.get(token, token): number for token, number in vocabulary.items()}))
    merges = folder / "opt-6.7b" / "merges.txt"
    merges.write_text("\n".join(line for line in merges.read_text().split("\n") if "\u010a" not in line))
    settings: dict[str, Any] = {"safety_checker": False}
    gill: Any = resolve_model(Cards().model("gill"), weights=str(folder), settings=settings).load("cpu")
    with pytest.raises(InputError, match=r"opt-6\.7b: this tokenizer has no newline"):
        gill.generate(Prompt(("a red circle",)), DecodingOptions(2, gen_scale_factor=1e5))


def test_a_whole_clip_serves_as_a_vision_tower(weights: Callable[[str], Path]) -> None:
    """Weights of CLIP's text tower and entries without weights do not count as unexpected."""
    folder = weights("gill")
    file = folder / "opt-6.7b" / "model.safetensors"
    save_file({**load_file(file), "model.decoder.version": torch.ones(1)}, file, metadata={"format": "pt"})
    file = folder / "clip-vit-large-patch14" / "model.safetensors"
    position_ids = {
        f"{tower}.embeddings.position_ids": torch.arange(4)[None] for tower in ("text_model", "vision_model")
    }
    state = load_file(file)
    assert any(key.startswith("text_model.") for key in state)
    save_file({**state, **position_ids}, file, metadata={"format": "pt"})
    settings: dict[str, Any] = {"safety_checker": False}
    resolve_model(Cards().model("gill"), weights=str(folder), settings=settings).load("cpu")
    resolve_model(Cards().model("clip"), weights=str(folder), settings={}).load("cpu")
