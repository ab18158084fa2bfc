"""What is asked of the hub, and what of it counts; nothing is downloaded here."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.utils._paths import filter_repo_objects

from gill_bench.cards import Cards, Component
from gill_bench.errors import InputError
from gill_bench.hub import hub_folder, without_downloads
from gill_bench.weights import Weights, find_weights

GPT2 = [
    ".gitattributes",
    "64.tflite",
    "README.md",
    "config.json",
    "flax_model.msgpack",
    "generation_config.json",
    "merges.txt",
    "model.safetensors",
    "onnx/decoder_model.onnx",
    "pytorch_model.bin",
    "rust_model.ot",
    "tf_model.h5",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
]
"""The repository openai-community/gpt2."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Calls of the hub's client, which answers with an empty folder."""
    calls: list[tuple[str, dict[str, Any]]] = []

    def answer(name: str, **options: Any) -> str:
        calls.append((name, options))
        return str(tmp_path)

    def empty(self: huggingface_hub.HfApi, name: str, timeout: float) -> SimpleNamespace:
        return SimpleNamespace(siblings=None)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", answer)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", empty)
    return calls


@pytest.fixture
def cached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A hub's cache that holds me/words."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository = tmp_path / "hub" / "models--me--words"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    for name in ("vocab.json", "merges.txt"):
        (snapshot / name).write_text(name)
    return snapshot


def fetched(options: dict[str, Any], files: list[str]) -> list[str]:
    allowed, ignored = options["allow_patterns"], options["ignore_patterns"]
    return list(filter_repo_objects(files, allow_patterns=allowed, ignore_patterns=ignored))


def test_of_gpt2_its_tokenizer_alone_is_fetched(asked: list[tuple[str, dict[str, Any]]], tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    find_weights(Cards().model("glide").weights["tokenizer"], str(tmp_path / "weights"))
    [(name, options)] = asked
    assert name == "openai-community/gpt2"
    assert fetched(options, GPT2) == ["merges.txt", "vocab.json"]


def test_without_a_list_all_is_fetched_but_copies(asked: list[tuple[str, dict[str, Any]]]) -> None:
    hub_folder("facebook/opt-6.7b")
    [(_, options)] = asked
    files = [*GPT2, "pytorch_model-00001-of-00002.bin", "v1-5-pruned.ckpt", "unet/model.non_ema.safetensors"]
    left_out = set(files) - set(fetched(options, files))
    assert left_out == {
        "flax_model.msgpack",
        "onnx/decoder_model.onnx",
        "rust_model.ot",
        "tf_model.h5",
        "v1-5-pruned.ckpt",
        "unet/model.non_ema.safetensors",
    }


def test_pickles_beside_safetensors_are_not_fetched(
    asked: list[tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ["unet/m.safetensors", "unet/m.fp16.safetensors", "unet/m.bin", "vae/m.bin", "vae/m.bin.index.json"]
    listed = SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in files])
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda self, name, timeout: listed)
    hub_folder("me/pipeline")
    [(_, options)] = asked
    assert fetched(options, files) == ["unet/m.safetensors", "vae/m.bin", "vae/m.bin.index.json"]


def test_copies_that_are_not_read_do_not_change_the_digest(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    folder.mkdir()
    (folder / "pytorch_model.bin").write_bytes(b"old")
    pickled = Weights("clip", folder).digest()
    (folder / "model.safetensors").write_bytes(b"new")
    safe = Weights("clip", folder).digest()
    for copy in ("flax_model.msgpack", "model.fp16.safetensors"):
        (folder / copy).write_bytes(b"copy")
    assert Weights("clip", folder).digest() == safe != pickled
    (folder / "pytorch_model.bin").unlink()
    assert Weights("clip", folder).digest() == safe


def test_a_dry_run_takes_from_the_cache_alone(asked: list[tuple[str, dict[str, Any]]]) -> None:
    with without_downloads():
        hub_folder("me/words")
    hub_folder("me/words")
    assert [options["local_files_only"] for _, options in asked] == [True, False]


def test_what_is_not_cached_is_said(cached: Path) -> None:
    with without_downloads():
        assert hub_folder("me/words") == cached
        with pytest.raises(InputError, match="me/others: not in the hub's cache, and a dry run downloads nothing"):
            hub_folder("me/others")
    with pytest.raises(InputError, match="me/others: neither in the hub's cache nor to be downloaded"):
        hub_folder("me/others")


def test_other_files_of_the_cache_do_not_count(cached: Path, tmp_path: Path) -> None:
    """Whoever has all of a repository in the cache gets the digest of those who fetched what is wanted."""
    (tmp_path / "weights").mkdir()
    component = Component(id="me/words", folder="words", files=("vocab.json", "merges.txt"))
    whole = component.model_copy(update={"files": ()})
    found = [find_weights(one, str(tmp_path / "weights")) for one in (component, whole)]
    assert found[0].path == cached
    before = [one.digest() for one in found]
    assert before[0] == before[1]
    (cached / "model.safetensors").write_bytes(b"x" * 10)
    after = [one.digest() for one in found]
    assert after[0] == before[0]
    assert after[1] != before[1]
    (cached / "merges.txt").write_text("others")
    assert found[0].digest() != before[0]
