"""Weights: what is there and whole, files by address, repositories of the hub, and what a person has to bring."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_file

from gill_bench.cards.find import Cards
from gill_bench.cli import main
from gill_bench.fetching.weights import weights_of
from tests.support.mirror import Cut, Mirror, Status, WebPage, html, running_mirror

pytestmark = pytest.mark.enable_socket

COMMIT = "1" * 40
CARD = """schema = 1
name = "mine"
title = "Mine"
adapter = "mine.py"
capabilities = ["image-generator"]
inputs = ["text"]

[weights.words]
id = "me/words"
revision = "v1"
files = ["config.json", "*.safetensors"]

[weights.head]
folder = "head"
url = "https://heads.example/head"
fetch = [
    {{ to = "head.json", url = "https://heads.example/head/head.json", sha256 = "{json_sha}" }},
    {{ to = "head.safetensors", url = "https://heads.example/head/head.safetensors" }},
]

[weights.gate]
folder = "gate.pt"
url = "https://gates.example/a page with a form"
licence = "ask them"
"""
ADAPTER = """
from pydantic import BaseModel, ConfigDict
from gill_bench.errors import InputError

class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

def check(weights, settings):
    if (weights["head"] / "head.json").read_text() == "[3]":
        raise InputError("the head fits no words")

def load(weights, settings, device):
    raise AssertionError("nothing may be loaded")
"""
HEAD, TENSORS = b'{"size": 2}', save({"weight": torch.ones(300)})
REPOSITORY = {"config.json": b"{}", "model.safetensors": TENSORS, "pytorch_model.bin": b"a copy"}


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    """A mirror of the site of the head, and a hub with the words."""
    pages = {"/head/head.json": WebPage(HEAD), "/head/head.safetensors": WebPage(TENSORS)}
    siblings = [{"rfilename": name, "size": len(content)} for name, content in REPOSITORY.items()]
    about = WebPage(json.dumps({"id": "me/words", "sha": COMMIT, "siblings": siblings}).encode(), "application/json")
    tree = [{"type": "file", "path": name, "size": len(content), "oid": name} for name, content in REPOSITORY.items()]
    pages |= {
        "/api/models/me/words/revision/v1": about,
        f"/api/models/me/words/revision/{COMMIT}": about,
        f"/api/models/me/words/tree/{COMMIT}": WebPage(json.dumps(tree).encode(), "application/json"),
        **{
            f"/me/words/resolve/{COMMIT}/{name}": WebPage(content, etag=f'"{name}"', headers={"X-Repo-Commit": COMMIT})
            for name, content in REPOSITORY.items()
        },
    }
    with running_mirror(pages) as mirror:
        yield mirror


@pytest.fixture
def card(tmp_path: Path) -> Path:
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "mine.py").write_text(ADAPTER)
    file = tmp_path / "cards" / "mine.toml"
    file.write_text(CARD.format(json_sha=hashlib.sha256(HEAD).hexdigest()))
    return file


def without_hub(card: Path) -> Path:
    """The card without its component of the hub, for commands in this process, where the hub is switched off."""
    text = card.read_text()
    card.write_text(text[: text.index("[weights.words]")] + text[text.index("[weights.head]") :])
    return card


def bring(weights: Path) -> None:
    """Put the gate, which only a person can bring, to its place."""
    weights.mkdir(exist_ok=True)
    torch.save({"gate": torch.ones(2)}, weights / "gate.pt")


def test_weights_of_the_hub_and_of_other_sites_are_fetched_and_checked(
    mirror: Mirror, card: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "weights"
    bring(weights)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_") and "proxy" not in key.lower()}
    variables = {"HF_ENDPOINT": mirror.url, "HF_HOME": str(tmp_path / "hf"), "GILL_BENCH_MIRROR": mirror.url}
    # One process, since it takes long to import the hub's library; HF_ENDPOINT is read when it is imported.
    code = (
        "import sys; from gill_bench.cli import main; words = sys.argv[1:];"
        "fetch = ['weights', 'fetch', *words]; print('DRY', main([*fetch, '--dry-run']));"
        "print('FETCH', main(fetch)); print('AGAIN', main(fetch)); print('CHECK', main(['weights', 'check', *words]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(card), "--weights", str(weights)],
        env={**kept, **variables}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    dry, _, rest = ended.stdout.partition("DRY 0")
    assert "  download   words" in dry
    assert "from me/words@v1 on the hub" in dry
    assert "config.json  2 bytes" in dry
    assert "model.safetensors  1.3 kB" in dry
    assert "pytorch_model.bin" not in dry
    assert "head.safetensors  size unknown" in dry
    assert [word for word in ("FETCH 0", "AGAIN 0", "CHECK 0") if word not in rest] == [], ended.stdout + ended.stderr
    assert {file.name: file.read_bytes() for file in (weights / "words").iterdir() if file.is_file()} == {
        "config.json": b"{}",
        "model.safetensors": TENSORS,
    }
    assert (weights / "head" / "head.safetensors").read_bytes() == TENSORS
    assert mirror.requests.count("/head/head.safetensors") == 1
    assert mirror.requests.count(f"/me/words/resolve/{COMMIT}/model.safetensors") == 1
    assert f"/me/words/resolve/{COMMIT}/pytorch_model.bin" not in mirror.requests
    assert rest.count("whole") == 5


def test_files_by_address_go_on_after_an_interruption_and_are_checked(
    mirror: Mirror, card: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without_hub(card)
    weights = tmp_path / "weights"
    words = [str(card), "--weights", str(weights), "--mirror", mirror.url]
    mirror.pages["/head/head.safetensors"].faults = [Cut(500), Status(404)]
    assert main(["weights", "fetch", *words]) == 1
    assert "answered 404" in capsys.readouterr().err
    assert main(["weights", "fetch", *words]) == 4  # the gate is for a person
    said = capsys.readouterr()
    assert "  by hand    gate\n" in said.out
    assert "             from https://gates.example/a page with a form\n" in said.out
    assert f"to   {weights}/gate.pt\n" in said.out
    assert "licence: ask them" in said.out
    assert mirror.requests[-1] == "/head/head.safetensors bytes=500-"
    assert mirror.requests.count("/head/head.json") == 1
    bring(weights)
    assert main(["weights", "fetch", *words]) == 0
    assert main(["weights", "check", str(card), "--weights", str(weights)]) == 0


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (WebPage(TENSORS[:700]), "700 bytes, but its header promises"),
        (html("Sign in"), "a page (HTML) came instead of the file, 'Sign in'"),
        (WebPage(b"version https://git-lfs.github.com/spec/v1\noid sha256:1"), "a Git LFS pointer"),
        (WebPage(b""), "empty file"),
    ],
)
def test_what_is_no_whole_file_of_weights_is_refused(
    page: WebPage, reason: str, mirror: Mirror, card: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without_hub(card)
    mirror.pages["/head/head.safetensors"] = page
    assert main(["weights", "fetch", str(card), "--weights", str(tmp_path / "w"), "--mirror", mirror.url]) == 1
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "w" / "head" / "head.safetensors").exists()


def test_the_check_names_every_file_and_what_is_wrong_with_it(
    card: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "weights"
    bring(weights)
    (weights / "words").mkdir()
    (weights / "head").mkdir()
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (weights / "words" / "model.safetensors.index.json").write_text(json.dumps(index))
    save_file({"a": torch.ones(2)}, weights / "words" / "model-1.safetensors")
    (weights / "words" / "config.json").write_text('{"a": ')
    (weights / "head" / "head.safetensors").write_bytes(TENSORS[:-1])
    assert main(["weights", "check", str(card), "--weights", str(weights), "--json"]) == 2
    (report,) = json.loads(capsys.readouterr().out)["models"]
    assert not report["complete"]
    found_problems = {
        file["name"]: file["problem"][:24] for component in report["components"] for file in component["files"]
    }
    assert found_problems == {
        "config.json": "no JSON, or cut off: Exp",
        "model-1.safetensors": "",
        "model-2.safetensors": "missing, but an index li",
        "model.safetensors.index.json": "",
        "head.json": "missing",
        "head.safetensors": f"{len(TENSORS) - 1} bytes, but its head",
        "gate.pt": "",
    }
    assert [component["state"] for component in report["components"]] == ["damaged", "damaged", "complete"]
    assert main(["weights", "check", str(card), "--weights", str(weights)]) == 2
    said = capsys.readouterr()
    assert "  damaged    head: " in said.out
    assert "               head.json  0 bytes  missing\n" in said.out
    assert said.err == f"error: mine: cannot be loaded from what is in {weights}\n"


@pytest.mark.parametrize(
    ("contents", "problem"),
    [({}, "missing: the folder is empty"), ({"config.json": "{}"}, "missing: no file ends in .safetensors, .bin")],
    ids=["empty", "no tensors"],
)
def test_a_folder_without_tensors_is_not_complete(tmp_path: Path, contents: dict[str, str], problem: str) -> None:
    (words := tmp_path / "words").mkdir()
    for name, content in contents.items():
        (words / name).write_text(content)
    for files in ("", 'files = ["config.json", "*.safetensors"]' if contents else ""):
        (card := tmp_path / "mine.toml").write_text(
            'schema = 1\nname = "mine"\ntitle = "Mine"\nadapter = "causal-lm"\ncapabilities = ["text-generator"]\n'
            f'inputs = ["text"]\n[weights.llm]\nid = "me/words"\nfolder = "words"\n{files}\n'
        )
        (check,) = weights_of(Cards(()), str(card), tmp_path).check().components
        assert check.state == "damaged"
        assert check.files[-1].problem.startswith(problem)


def test_the_check_asks_the_adapter_and_loads_nothing(
    card: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without_hub(card)
    weights = tmp_path / "weights"
    bring(weights)
    (weights / "head").mkdir()
    (weights / "head" / "head.safetensors").write_bytes(TENSORS)
    for content, code in ((b"[3]", 2), (HEAD, 0)):
        (weights / "head" / "head.json").write_bytes(content)
        assert main(["weights", "check", str(card), "--weights", str(weights)]) == code
        assert ("  problem    the head fits no words\n" in capsys.readouterr().out) == bool(code)


def test_the_networks_of_a_tasks_metrics_are_weights_too(
    mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "weights"
    assert main(["weights", "fetch", "coco-fid", "--weights", str(weights), "--dry-run"]) == 0
    assert "  download   fid (96 MB)\n" in capsys.readouterr().out
    torch.save({"x": torch.ones(1)}, tmp_path / "network.pth")
    path = "/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth"
    mirror.pages[path] = WebPage((tmp_path / "network.pth").read_bytes())
    assert main(["weights", "fetch", "coco-fid", "--weights", str(weights), "--mirror", mirror.url]) == 0
    assert main(["weights", "check", "coco-fid", "--weights", str(weights)]) == 0
    assert "pt_inception-2015-12-05-6726825d.pth" in capsys.readouterr().out


def test_nothing_is_asked_where_there_is_nothing_to_fetch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "fetch", "random", "--weights", str(tmp_path)]) == 0
    assert "it has no weights" in capsys.readouterr().out
    assert main(["weights", "check", "gill-r1", "--weights", str(tmp_path / "nowhere")]) == 2
    said = capsys.readouterr()
    assert "a person has to bring it: trained with gill-bench train" in said.out
    assert f"gill-bench weights fetch gill-r1 --weights {tmp_path}/nowhere" in said.out


def test_a_hub_that_is_switched_off_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "fetch", "clip", "--weights", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "openai/clip-vit-large-patch14: cannot be downloaded: " in said
    assert (
        f"by hand: https://huggingface.co/openai/clip-vit-large-patch14, to {tmp_path}/clip-vit-large-patch14" in said
    )


def test_wrong_arguments_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, reason in (
        (["fetch", "gil", "--weights", str(tmp_path)], "did you mean 'gill'"),
        (["fetch", "gill", "--weights", "mini"], "are part of gill-bench"),
        (["check", "gill", "--weights", "s3://a/b"], "must be on this machine"),
        (["fetch", "gill"], "--weights"),
    ):
        assert main(["weights", *words]) == 2
        assert reason in capsys.readouterr().err
    for command in ("fetch", "check"):
        assert main(["weights", command, "--help"]) == 0
        assert f"gill-bench weights {command} gill --weights ./weights" in capsys.readouterr().out
