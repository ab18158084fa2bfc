from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gill_bench.errors import InputError
from gill_bench.models.glide import Settings, check
from gill_bench.models.glide.checkpoint import load_network
from gill_bench.models.glide.files import NAMES
from gill_bench.models.glide.sizes import BASE, GlideSizes, read_sizes
from tests.models.glide.tiny import SIZES, edit_state, network, write_glide


def check_weights(checkpoint: Path, tokenizer: Path) -> None:
    check({"checkpoint": checkpoint, "tokenizer": tokenizer}, Settings())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_glide(tmp_path / "glide")


def test_values_are_those_of_the_file(folder: Path) -> None:
    check_weights(folder, folder)
    for name in NAMES:
        loaded = load_network(folder, name, SIZES, torch.float32, "cpu")
        state = torch.load(folder / f"{name}.pt", weights_only=True)
        assert all(torch.equal(value, state[key]) for key, value in loaded.state_dict().items())
        assert not loaded.training
        assert not any(value.requires_grad for value in loaded.parameters())


def test_float16_files_and_safetensors(folder: Path) -> None:
    half = {key: value.half() for key, value in network(upsampler=False).state_dict().items()}
    (folder / "base.pt").unlink()
    save_file(half, folder / "base.safetensors")
    check_weights(folder, folder)
    loaded = load_network(folder, "base", SIZES, torch.float32, "cpu")
    assert all(torch.equal(value, half[key].float()) for key, value in loaded.state_dict().items())


def test_files_are_independent_of_what_is_loaded(folder: Path) -> None:
    loaded = load_network(folder, "base", SIZES, torch.float32, "cpu")
    (folder / "base.pt").write_bytes(b"\0" * (folder / "base.pt").stat().st_size)
    assert torch.isfinite(loaded.token_embedding.weight).all()
    assert loaded.token_embedding.weight.any()


def test_a_checkpoint_in_torchs_format_before_zip_loads(folder: Path) -> None:
    torch.save(network(upsampler=False).state_dict(), folder / "base.pt", _use_new_zipfile_serialization=False)
    check_weights(folder, folder)
    load_network(folder, "base", SIZES, torch.float32, "cpu")


def rename(folder: Path) -> None:
    state = torch.load(folder / "upsample.pt", weights_only=True)
    torch.save({f"module.{key}": value for key, value in state.items()}, folder / "upsample.pt")


class Code:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return (__import__("os").system, ("touch run",))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (
        lambda folder: edit_state(folder / "base.pt", final_ln__bias=None),
        r"base\.pt: .*missing: final_ln\.bias",
    ),
    "additional": (
        lambda folder: edit_state(folder / "upsample.pt", unembedding=torch.zeros(1)),
        r"upsample\.pt: expected the \d+ tensors of GLIDE's upsampler; not of GLIDE: unembedding",
    ),
    "shape": (
        lambda folder: edit_state(folder / "base.pt", out__2__bias=torch.zeros(3)),
        r"base\.pt: .*of another shape: out\.2\.bias \(3,\) instead of \(6,\)",
    ),
    "prefix": (rename, r"upsample\.pt: .*missing: positional_embedding, .* and \d+ more; not of GLIDE: module\."),
    "swapped": (
        lambda folder: (folder / "base.pt").write_bytes((folder / "upsample.pt").read_bytes()),
        r"base\.pt: expected the \d+ tensors of GLIDE's base network; missing: ",
    ),
    "empty": (lambda folder: (folder / "base.pt").write_bytes(b""), r"base\.pt: empty"),
    "cut": (
        lambda folder: (folder / "base.pt").write_bytes((folder / "base.pt").read_bytes()[:-50]),
        r"base\.pt: .*cut off",
    ),
    "html": (lambda folder: (folder / "base.pt").write_text("<html>not found"), r"base\.pt: "),
    "code": (lambda folder: torch.save({"a": Code()}, folder / "base.pt"), r"base\.pt: .*which is never run"),
    "nested": (lambda folder: torch.save({"state_dict": {}}, folder / "base.pt"), r"base\.pt: expected a dictionary"),
    "no file": (lambda folder: (folder / "upsample.pt").unlink(), r"has no upsample\.pt; expected .*base\.pt and up"),
    "no tokenizer": (lambda folder: (folder / "vocab.json").unlink(), "expected GPT-2's tokenizer"),
    "no sizes": (lambda folder: (folder / "glide.json").unlink(), "the networks know the ids 0 to 50256"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_weights_are_refused_before_loading(folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    damage, message = DAMAGE[kind]
    damage(folder)
    with pytest.raises(InputError, match=message) as raised:
        check_weights(folder, folder)
    assert len(str(raised.value).splitlines()) <= 3
    assert not (folder / "run").exists()


def test_weights_that_are_not_finite_are_refused(folder: Path) -> None:
    edit_state(folder / "base.pt", final_ln__bias=torch.full((16,), float("nan")))
    with pytest.raises(InputError, match=r"base\.pt: final_ln\.bias holds values that are not finite"):
        load_network(folder, "base", SIZES, torch.float32, "cpu")


def test_a_missing_folder_is_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"):
        check_weights(tmp_path / "nowhere", write_glide(tmp_path / "other"))


def test_sizes_are_read_from_glide_json_and_wrong_sizes_refused(folder: Path, tmp_path: Path) -> None:
    assert read_sizes(folder) == SIZES
    assert read_sizes(tmp_path) == GlideSizes()
    assert GlideSizes().base == BASE
    file = folder / "glide.json"
    file.write_text(json.dumps({"text": {"width": 64}}))
    assert read_sizes(folder).text.width == 64
    assert read_sizes(folder).upsampler == GlideSizes().upsampler
    for content, message in [
        ('{"text": {"width": 65}}', r"glide\.json: text: .*width = 65 is no multiple of heads = 8"),
        ('{"txt": {}}', r"glide\.json: txt: Extra inputs"),
        ('{"base": {"resolution": 32}}', r"glide\.json: base\.channels: Field required"),
        ("[]", r"glide\.json: expected a JSON object"),
    ]:
        file.write_text(content)
        with pytest.raises(InputError, match=message):
            read_sizes(folder)
