"""Listing, showing and planning need no pictures, no weights and no data, load no model and download nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from gill_bench.cards.find import Cards, builtin_folder
from gill_bench.cli import main
from gill_bench.planning.resolved import ResolvedModel
from tests.support.cli import run_command
from tests.support.runs import CARDS, half
from tests.support.stories import small_vist

FILES = [file for kind in ("tasks", "baselines", "reports") for file in (builtin_folder() / kind).glob("*.toml")]
NAMES = sorted(file.stem for file in FILES)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four stories, made before any test forbids to load a model."""
    return half(tmp_path_factory.mktemp("runs") / "before")


@pytest.fixture(autouse=True)
def hub_calls(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Record for each call of the hub's client if it may only read the cache; loading a model is an error."""
    calls: list[bool] = []

    def answer(name: str, *, local_files_only: bool, **_: Any) -> str:
        calls.append(local_files_only)
        raise FileNotFoundError(name)

    def load(self: ResolvedModel, device: str) -> object:
        raise AssertionError(f"{self.card.name} was loaded")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", answer)
    monkeypatch.setattr(ResolvedModel, "load", load)
    return calls


def plan_of(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[dict[str, Any], str]:
    assert main(["run", *map(str, words), "--dry-run", "--json"]) == 0
    said = capsys.readouterr()
    return json.loads(said.out), said.err


def test_a_dry_run_without_data_and_weights_lists_all_that_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], hub_calls: list[bool]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    plan, said = plan_of(capsys, "all", "--data", empty, "--weights", empty, "--out", tmp_path / "new" / "run")
    assert not (tmp_path / "new").exists()
    assert plan["cells"] == []
    assert said.splitlines()[-1] == "nothing to do"
    why = {entry["task"]: entry["reason"] for entry in plan["cannot"] if not entry["model"]}
    assert set(why) == {card.name for card in Cards().tasks()}
    assert all(str(empty) in reason and "download" in reason for reason in why.values())
    assert all(f"{task}: left out: {reason}" in said for task, reason in why.items())
    assert set(hub_calls) == {True}
    assert main(["run", "all", "--data", str(empty), "--out", str(tmp_path / "run")]) == 2
    assert "nothing to do" in capsys.readouterr().err


def test_a_dry_run_without_weights_plans_models_that_need_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], hub_calls: list[bool]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    words = ("all", "--weights", empty, "--metric-weights", "mini", "--out", tmp_path / "run")
    plan, _ = plan_of(capsys, *words)
    rules = {"always-generate", "always-retrieve", "human", "random"}
    assert {cell["model"] for cell in plan["cells"]} == rules  # which have none
    lacking = {entry["model"] for entry in plan["cannot"] if str(empty) in entry["reason"]}
    # With all models, variants run where a task asks for them, which none does for this one.
    assert lacking == {card.name for card in Cards().models() if card.weights} - {"fromage-vis4"}
    assert hub_calls
    assert set(hub_calls) == {True}


def test_a_dry_run_of_the_embedded_world_plans_all_tasks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, said = plan_of(capsys, "all", "--limit", 4, "--seeds", 2, "--out", tmp_path / "run")
    too_few = {entry["task"] for entry in plan["cannot"] if "at least" in entry["reason"]}
    assert too_few == {"cc3m-fid", "coco-fid"}
    assert {cell["task"] for cell in plan["cells"]} == {card.name for card in Cards().tasks()} - too_few
    for cell in plan["cells"]:
        assert cell["missing"] == 0
        assert cell["samples_pending"] == cell["examples"] * len(cell["seeds"])
        assert (cell["units_pending"] > 0) == bool(cell["seeds"])
    by_name = {"/".join(cell[part] for part in ("task", "model", "context")): cell for cell in plan["cells"]}
    assert by_name["vist/glide/5-captions"]["samples_pending"] == 8
    assert "vist/glide/5-captions: 4 examples x 2 seeds: 0 stored, 8 to do in" in said
    assert not list((tmp_path / "run").rglob("*.json"))


def test_a_dry_run_of_embedded_models_imports_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from gill_bench.cli import main; code = main(sys.argv[1:]);"
        "loaded = sorted({'torch', 'transformers', 'diffusers'} & set(sys.modules));"
        "sys.exit(f'loaded {loaded}' if loaded else code)"
    )
    tasks = ("vist", "visdial", "vqav2", "vist-retrieval")
    words = ["run", *tasks, "--device", "cpu", "--dry-run", "--json", "--out", str(tmp_path / "run")]
    ended = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    planned = {cell["model"] for cell in json.loads(ended.stdout)["cells"]}
    assert {"clip", "fromage", "gill", "gill-linear", "gill-mlp", "gill-encoder", "glide", "stable-diffusion"} < planned


def test_everything_that_is_listed_can_be_shown(tmp_path: Path) -> None:
    listed = run_command("list", HF_HUB_OFFLINE="0", PATH="/nowhere", HOME=str(tmp_path))
    assert listed.returncode == 0
    for name in NAMES:
        assert name == "published" or f"\n  {name} " in listed.stdout, name


def test_a_variant_is_shown_with_the_fields_of_the_model_it_extends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for card in Cards().models():
        assert main(["show", card.name]) == 0
        shown = capsys.readouterr().out
        assert shown.startswith(f"# {card.name}.toml extends {card.extends}") is bool(card.extends)
        if card.extends:  # what is shown is a card that says the same
            (tmp_path / f"{card.name}.toml").write_text(shown.replace(f'extends = "{card.extends}"\n', ""))
            again = Cards().model(str(tmp_path / f"{card.name}.toml"))
            assert again.model_dump(exclude={"extends"}) == card.model_dump(exclude={"extends"})


@pytest.mark.parametrize("name", NAMES)
def test_every_card_is_shown(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", name]) == 0
    assert f'name = "{name}"' in capsys.readouterr().out
    assert main(["show", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == name


def test_a_dry_run_says_time_disk_and_memory_by_what_is_stored_beside_it(
    before: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = before.with_name("new")
    words: list[object] = [
        "vist",
        "--data",
        small_vist(),
        "--split",
        "test",
        "--models",
        "noisy,gill",
        "--cards",
        CARDS,
    ]
    words += ["--contexts", "1-caption", "--limit", 4, "--seeds", 1, "--device", "cpu", "--out", new]
    plan, said = plan_of(capsys, *words)
    cells = {cell["model"]: cell for cell in plan["cells"]}
    assert (cells["gill"]["seconds"], cells["gill"]["bytes"]) == (None, None)
    assert cells["noisy"]["seconds"] >= 0
    assert cells["noisy"]["bytes"] > 0
    (forecast,) = plan["forecast"]
    assert forecast["run"] == str(new)
    assert (forecast["seconds"], forecast["bytes"], forecast["device"]) == (None, None, "cpu")
    assert forecast["from_runs"] == [str(before)]
    assert forecast["weights_bytes"]["gill"] > 1_000_000
    assert "vist/gill/1-caption: 4 examples x 1 seeds: 0 stored, 4 to do in 1 units, time unknown, disk unknown" in said
    assert "time in all: unknown for 1 of 2 lines" in said
    assert "one model at a time in each worker: gill " in said
