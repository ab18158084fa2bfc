"""Requests to the hub, and the files that count for a digest; nothing is downloaded here."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.utils._paths import filter_repo_objects

from gill_bench.cards.find import Cards, Component
from gill_bench.errors import InputError
from gill_bench.storage.cache import cache_folder
from gill_bench.weights.find import Weights, file_digest, find_weights
from gill_bench.weights.hub import hub_folder, without_downloads

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
DIGESTS = ["18ae1f020ef4", "404077600711", "22aa5f4d1a2f", "a74a37cc04bc"]


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Calls of the hub's client, which answers with an empty folder."""
    calls: list[tuple[str, dict[str, Any]]] = []

    def answer(name: str, **options: Any) -> str:
        calls.append((name, options))
        return str(tmp_path)

    def empty(self: huggingface_hub.HfApi, name: str, **options: Any) -> SimpleNamespace:
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


def test_only_the_tokenizer_of_gpt2_is_fetched(requests: list[tuple[str, dict[str, Any]]], tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    find_weights(Cards().model("glide").weights["tokenizer"], str(tmp_path / "weights"))
    [(name, options)] = requests
    assert name == "openai-community/gpt2"
    assert fetched(options, GPT2) == ["merges.txt", "vocab.json"]


def test_all_files_of_a_repository_are_fetched_but_copies(requests: list[tuple[str, dict[str, Any]]]) -> None:
    hub_folder("facebook/opt-6.7b")
    [(_, options)] = requests
    files = [*GPT2, "pytorch_model-00001-of-00002.bin", "old.ckpt", "unet/model.non_ema.safetensors"]
    left_out = set(files) - set(fetched(options, files))
    assert left_out == {
        "flax_model.msgpack",
        "onnx/decoder_model.onnx",
        "rust_model.ot",
        "tf_model.h5",
        "old.ckpt",
        "unet/model.non_ema.safetensors",
    }


def test_pickles_beside_safetensors_are_not_fetched(
    requests: list[tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [
        "model_index.json",
        "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.bin",
        "vae/diffusion_pytorch_model.fp16.bin",
        "whole.safetensors",
    ]
    listed = SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in files])
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda self, name, **options: listed)
    hub_folder("me/pipeline")
    [(_, options)] = requests
    assert fetched(options, files) == [*files[:2], files[4]]


def test_all_files_are_fetched_for_adapters_of_other_packages(requests: list[tuple[str, dict[str, Any]]]) -> None:
    hub_folder("me/network", whole=True)
    hub_folder("me/network", ["*.ckpt"], whole=True)
    files = ["model.safetensors", "pytorch_model.bin", "model.onnx", "x.ckpt"]
    assert [fetched(options, files) for _, options in requests] == [files, ["x.ckpt"]]


def test_a_revision_is_downloaded_and_part_of_label_and_digest(
    requests: list[tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    listings: list[str | None] = []

    def listed(self: huggingface_hub.HfApi, name: str, timeout: float, revision: str | None) -> SimpleNamespace:
        listings.append(revision)
        return SimpleNamespace(siblings=None)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", listed)
    (tmp_path / "weights").mkdir()
    newest = Component(id="me/network", mini="opt-mini")
    pinned = newest.model_copy(update={"revision": "v1"})
    weights = [find_weights(component, str(tmp_path / "weights")) for component in (newest, pinned)]
    assert [options["revision"] for _, options in requests] == listings == [None, "v1"]
    write(tmp_path / "weights" / "network", config__json=b"{}")
    weights += [find_weights(component, str(tmp_path / "weights")) for component in (newest, pinned)]
    assert [item.label for item in weights] == ["me/network", "me/network@v1"] * 2
    assert weights[2].digest() != weights[3].digest()
    assert find_weights(newest, "mini").digest() == find_weights(pinned, "mini").digest()


def test_the_named_revision_is_taken_from_the_cache_of_the_hub(cached: Path) -> None:
    folder = cached.parents[1]
    (folder / "blobs").mkdir()
    (cached.parent / "abc").mkdir()
    (folder / "refs" / "v1").write_text("abc")
    component = Component(id="me/words")
    for revision, state in (("", cached), ("v1", cached.parent / "abc"), ("abc", cached.parent / "abc")):
        pinned = component.model_copy(update={"revision": revision})
        assert find_weights(pinned, str(folder.parent)).path == state
    with pytest.raises(InputError, match="without revision 'v2'"):
        find_weights(component.model_copy(update={"revision": "v2"}), str(folder.parent))


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


def test_a_dry_run_reads_the_cache_of_the_hub_and_downloads_nothing(requests: list[tuple[str, dict[str, Any]]]) -> None:
    with without_downloads():
        hub_folder("me/words")
    hub_folder("me/words")
    assert [options["local_files_only"] for _, options in requests] == [True, False]


def test_weights_that_are_not_cached_are_named_in_a_dry_run(cached: Path) -> None:
    with without_downloads():
        assert hub_folder("me/words") == cached
        with pytest.raises(
            InputError, match="me/others: not in the hub's cache, and nothing is downloaded for a dry run"
        ):
            hub_folder("me/others")
    with pytest.raises(InputError, match="me/others: neither in the hub's cache nor to be downloaded"):
        hub_folder("me/others")


def test_other_files_of_the_cache_do_not_count(cached: Path, tmp_path: Path) -> None:
    """A cache with the whole repository gives the same digest as one with the wanted files alone."""
    (tmp_path / "weights").mkdir()
    component = Component(id="me/words", folder="words", files=("vocab.json", "merges.txt"))
    whole = component.model_copy(update={"files": ()})
    weights = [find_weights(each, str(tmp_path / "weights")) for each in (component, whole)]
    assert weights[0].path == cached
    before = [each.digest() for each in weights]
    assert before[0] == before[1]
    (cached / "model.safetensors").write_bytes(b"x" * 10)
    after = [each.digest() for each in weights]
    assert after[0] == before[0]
    assert after[1] != before[1]
    (cached / "merges.txt").write_text("others")
    assert weights[0].digest() != before[0]


def write(folder: Path, **files: bytes) -> Path:
    """Write files; `__` in a name stands for a dot, `___` for a slash."""
    for name, content in files.items():
        file = folder / name.replace("___", "/").replace("__", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder


@pytest.mark.parametrize("suffix", ["ckpt", "onnx", "h5", "npy", "pkl", "msgpack", "ot", "bin", "png", "md", "npz"])
def test_every_file_counts_for_an_adapter_of_another_package(suffix: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "network", config__json=b"{}", model__safetensors=b"a", LICENSE=b"")
    (folder / f"net.{suffix}").write_bytes(b"old")
    weights = Weights("network", folder, whole=True)
    before = weights.digest()
    (folder / f"net.{suffix}").write_bytes(b"new")
    assert weights.digest() != before
    before = weights.digest()
    write(folder, __git___index=b"", __DS_Store=b"")
    assert weights.digest() == before


def test_a_linked_part_counts_as_a_copied_one(tmp_path: Path) -> None:
    """The digest of a folder is that of what is in it, wherever the files lie, and a circle of links ends."""
    plain = write(tmp_path / "plain", model_index__json=b"{}", unet___model__safetensors=b"u", vae___config__json=b"{}")
    elsewhere = write(tmp_path / "elsewhere", model__safetensors=b"u")
    linked = write(tmp_path / "linked", model_index__json=b"{}", vae___config__json=b"{}")
    (linked / "unet").symlink_to(elsewhere)
    assert Weights("sd", linked).digest() == Weights("sd", plain).digest()
    write(elsewhere, model__safetensors=b"v")
    assert Weights("sd", linked).digest() != Weights("sd", plain).digest()
    write(elsewhere, model__safetensors=b"u")
    (linked / "vae" / "again").symlink_to(linked)
    (linked / "nowhere").symlink_to(tmp_path / "missing")
    assert Weights("sd", linked).digest() == Weights("sd", plain).digest()


def test_the_digest_of_ordinary_folders_stays(tmp_path: Path) -> None:
    """Runs of older versions can be resumed: these are the digests of commit 62cd7d4."""
    network = write(
        tmp_path / "clip",
        config__json=b"{}",
        model__safetensors=b"weights",
        pytorch_model__bin=b"copy",
        tf_model__h5=b"copy",
        merges__txt=b"a b",
        README__md=b"read me",
        LICENSE=b"",
    )
    pipeline = write(
        tmp_path / "sd",
        **{
            "model_index__json": b"{}",
            "v1-5-pruned__safetensors": b"copy",
            "v1-5-pruned__ckpt": b"copy",
            "v1-inference__yaml": b"model:",
            "unet___config__json": b"{}",
            "unet___diffusion_pytorch_model__safetensors": b"weights",
            "unet___diffusion_pytorch_model__fp16__safetensors": b"copy",
            "unet___diffusion_pytorch_model__non_ema__bin": b"copy",
        },
    )
    opt = write(tmp_path / "opt", **{"config__json": b"{}", "pytorch_model-00001-of-00001__bin": b"w"})
    write(opt, pytorch_model__bin__index__json=b"{}", flax_model__msgpack=b"copy")
    checkpoint = write(tmp_path / "gill", model_args__json=b"{}", pretrained_ckpt__pth__tar=b"w", cc3m__npy=b"e")
    assert [Weights("", folder).digest()[:12] for folder in (network, pipeline, opt, checkpoint)] == DIGESTS


def test_a_repository_in_the_layout_of_the_hubs_cache(tmp_path: Path) -> None:
    """The repository has the digest of a plain copy, and so has a folder that links to the repository."""
    plain = write(tmp_path / "plain", config__json=b"{}", model__safetensors=b"weights")
    repository = write(tmp_path / "weights" / "models--me--network", refs___main=b"b" * 40)
    snapshot = repository / "snapshots" / ("b" * 40)
    snapshot.mkdir(parents=True)
    (repository / "snapshots" / ("a" * 40)).mkdir()
    (repository / "blobs").mkdir()
    for number, file in enumerate(sorted(plain.iterdir())):
        blob = repository / "blobs" / str(number)
        blob.write_bytes(file.read_bytes())
        (snapshot / file.name).symlink_to(blob)
    component = Component(id="me/network", folder="network")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "network").symlink_to(repository)
    for folder in ("weights", "linked"):
        weights = find_weights(component, str(tmp_path / folder))
        assert (weights.label, weights.path.name) == ("me/network", "b" * 40)
        assert weights.digest() == Weights("", plain).digest()
    (repository / "refs" / "main").unlink()
    with pytest.raises(InputError, match=r"network: a repository in the hub's cache with 2 snapshots"):
        find_weights(component, str(tmp_path / "weights"))


def test_names_of_a_card_may_be_folders(cached: Path, tmp_path: Path) -> None:
    """The names of a card may be folders, as for the hub's client, which fetches all files in such a folder."""
    (tmp_path / "weights").mkdir()
    write(cached, part___model__safetensors=b"old")
    weights = find_weights(Component(id="me/words", folder="words", files=("part/",)), str(tmp_path / "weights"))
    before = weights.digest()
    write(cached, part___model__safetensors=b"new")
    assert weights.digest() != before


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file that counts as large, and was written long ago as far as the computer's clock knows."""
    monkeypatch.setattr("gill_bench.weights.find._LARGE", 3)
    monkeypatch.setattr("gill_bench.weights.find._SETTLED", -1)
    monkeypatch.setenv("GILL_BENCH_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "weights" / "model.safetensors"
    file.parent.mkdir()
    file.write_bytes(b"old weights")
    return file


@pytest.mark.parametrize("how", ["in its place", "over it"])
def test_a_large_file_of_the_same_size_and_time_is_read_again(how: str, large: Path) -> None:
    before, status = file_digest(large), large.stat()
    if how == "over it":
        wait_for_another_time(large)
        large.write_bytes(b"new weights")
    else:
        other = large.with_name("other")
        other.write_bytes(b"new weights")
        os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
        other.replace(large)
    os.utime(large, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (large.stat().st_size, large.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert file_digest(large) != before


def test_a_large_file_is_read_once(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = file_digest(large)
    monkeypatch.setattr("gill_bench.weights.find.digest_file", None)
    assert file_digest(large) == before


def test_the_digest_of_a_file_that_was_just_written_is_not_remembered(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was just written might change again within the same time stamp."""
    monkeypatch.setattr("gill_bench.weights.find._SETTLED", 10**18)
    file_digest(large)
    assert not list(cache_folder().rglob("*.json"))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff"])
def test_a_damaged_memory_of_a_digest_is_not_believed(content: bytes, large: Path) -> None:
    before = file_digest(large)
    [memory] = cache_folder().rglob("*.json")
    memory.write_bytes(content)
    assert file_digest(large) == before
    assert json.loads(memory.read_bytes())["sha256"] == before


def wait_for_another_time(file: Path) -> None:
    """Wait until a change of a file would get another time than its last one had."""
    probe = file.with_name("probe")
    probe.write_bytes(b"")
    while probe.stat().st_ctime_ns == file.stat().st_ctime_ns:
        probe.write_bytes(b"")
    probe.unlink()


@pytest.mark.parametrize("name", ["clip/config.json", "clip/tokenizer/vocab.json", "clip/model.safetensors", "clip"])
def test_a_pipe_among_weights_is_refused_before_anything_opens_it(name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match=f"{name}: a named pipe"):
        find_weights(Component(folder="clip"), str(tmp_path))
