"""A run's samples in the layouts of other benchmarks, each read by the rules of that benchmark's own judge."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

import gill_bench
from gill_bench.cli import main
from gill_bench.rundir.load import read_results, read_spec
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey
from gill_bench.rundir.rows import Results
from tests.support import other_benchmarks as other
from tests.support.own_data import TEXTS, Colours, own_card, write_own_data
from tests.support.runs import run as run_noisy
from tests.support.stories import small_vist

SIDE = 16
WRITERS: dict[str, Callable[[Path], Any]] = {
    "geneval": other.write_geneval,
    "geneval2": other.write_geneval2,
    "dpg": other.write_dpg,
    "oneig": other.write_oneig,
    "opening": other.write_opening,
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run with four seeds of each benchmark's prompts; the model's name is `colours`."""
    home = tmp_path_factory.mktemp("benchmarks")
    by_source: dict[str, Path] = {}
    for source, write in WRITERS.items():
        (home / "data" / source).mkdir(parents=True)
        write(home / "data" / source)
        context = "full" if source == "opening" else "texts"
        card = own_card(home / f"{source}-card.toml", "image-generator", [], contexts=(context,), source=source)
        gill_bench.run(card, models=[Colours], data=home / "data", out=home / source, seeds=4)
        by_source[source] = home / source
    return by_source


def pictures(run: Path) -> dict[tuple[str, int], Any]:
    """The stored pictures of a run with one cell, as arrays by example and seed."""
    spec = read_spec(run)
    reader = RunReader(run, Results(()), spec)
    samples = reader.samples(spec.cells[0].cell_key)
    return {sample.key: np.asarray(Image.open(sample.folder / sample.image)) for sample in samples}


def export(run: Path, layout: str, out: Path, *words: str) -> Path:
    assert main(["export", str(run), "--as", layout, "--out", str(out), *words]) == 0
    return out


def test_geneval_reads_a_folder_for_each_prompt(tmp_path: Path, runs: dict[str, Path]) -> None:
    out = export(runs["geneval"], "geneval", tmp_path / "out")
    stored = pictures(runs["geneval"])
    records = other.write_geneval(tmp_path / "again")
    folders = [folder for folder in sorted(out.iterdir()) if folder.is_dir() and folder.name.isdigit()]
    assert [folder.name for folder in folders] == ["00000", "00001"]
    for folder, record in zip(folders, records, strict=True):
        assert json.loads((folder / "metadata.jsonl").read_text()) == record
        names = sorted(file.name for file in (folder / "samples").iterdir())
        assert names == ["0000.png", "0001.png", "0002.png", "0003.png"]
        for seed, name in enumerate(names):
            assert re.match(r"\d+\.png", name)
            assert np.array_equal(np.asarray(Image.open(folder / "samples" / name)), stored[folder.name, seed])


def test_geneval_2_finds_a_picture_by_its_prompt(tmp_path: Path, runs: dict[str, Path]) -> None:
    out = export(runs["geneval2"], "geneval2", tmp_path / "out")
    paths = json.loads((out / "image_paths.json").read_text())
    stored = pictures(runs["geneval2"])
    lines = (runs["geneval2"].parent / "data/geneval2/geneval2_data.jsonl").read_text().splitlines()
    for number, line in enumerate(lines):
        picture = np.asarray(Image.open(paths[json.loads(line)["prompt"]]))
        assert np.array_equal(picture, stored[str(number), 0])


@pytest.mark.parametrize("count", [4, 1])
def test_dpg_bench_cuts_the_samples_out_of_a_grid(tmp_path: Path, runs: dict[str, Path], count: int) -> None:
    out = export(runs["dpg"], "dpg", tmp_path / "out", "--samples", str(count))
    stored = pictures(runs["dpg"])
    files = sorted((out / "colours").iterdir())
    assert [file.name for file in files] == ["256.png", "partiprompts1.png"]
    corners = [(0, 0), (SIDE, 0), (0, SIDE), (SIDE, SIDE)][:count]
    for file in files:
        key = file.name.split(".")[0]
        whole = Image.open(file)
        for seed, (left, top) in enumerate(corners):
            cropped = whole.crop((left, top, left + SIDE, top + SIDE))
            assert np.array_equal(np.asarray(cropped), stored[key, seed])


@pytest.mark.parametrize("count", [4, 1])
def test_oneig_splits_a_grid_in_the_folder_of_its_category(tmp_path: Path, runs: dict[str, Path], count: int) -> None:
    out = export(runs["oneig"], "oneig", tmp_path / "out", "--samples", str(count))
    stored = pictures(runs["oneig"])
    side = 1 if count == 1 else 2
    for category, key in (("anime", "000"), ("human", "000"), ("text", "001")):
        (file,) = (out / "images" / category / "colours").glob(f"{key}*")
        whole = Image.open(file)
        width, height = whole.size[0] // side, whole.size[1] // side
        for seed in range(count):
            left, top = seed % side * width, seed // side * height
            cropped = whole.crop((left, top, left + width, top + height))
            assert np.array_equal(np.asarray(cropped.convert("RGB")), stored[f"{category}-{key}", seed])


def test_opening_has_the_instance_with_the_models_output(tmp_path: Path, runs: dict[str, Path]) -> None:
    out = export(runs["opening"], "opening", tmp_path / "out")
    stored = pictures(runs["opening"])
    for record in other.write_opening(tmp_path / "again"):
        name = record["total_uid"]
        content = json.loads((out / "colours_output" / f"{name}.json").read_text())
        assert content["conversations"][0] == record["conversations"][0]
        (step,) = content["conversations"][1]["output"]
        assert step["text"].strip() == ""
        picture = Image.open(out / "colours_output" / step["image"].split("/")[-1])
        assert np.array_equal(np.asarray(picture), stored[name, 0])


def test_the_pictures_of_imagefolder_have_their_rows(tmp_path: Path, runs: dict[str, Path]) -> None:
    out = export(runs["geneval"], "hf-dataset", tmp_path / "out")
    rows = [json.loads(line) for line in (out / "train" / "metadata.jsonl").read_text().splitlines()]
    names = {file.name for file in (out / "train").iterdir() if file.suffix == ".png"}
    assert {row["file_name"] for row in rows} == names
    assert len(rows) == len(names) == 8
    assert len({tuple(sorted(row)) for row in rows}) == 1
    stored = pictures(runs["geneval"])
    for row in rows:
        picture = np.asarray(Image.open(out / "train" / row["file_name"]))
        assert np.array_equal(picture, stored[row["id"], row["seed"]])
    assert rows[0]["prompt"] == "a photo of a bench"


def content(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file but the one that says what was exported."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != "gill-bench.json"]
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_an_imported_export_has_the_same_scores_and_exports_the_same_bytes(tmp_path: Path) -> None:
    run_noisy(tmp_path / "run", contexts=("1-caption",), limit=4)
    first = export(tmp_path / "run", "folder", tmp_path / "first")
    task = ["--task", "vist", "--context", "1-caption", "--data", str(small_vist()), "--split", "test", "--limit", "4"]
    assert main(["import", str(first), "--as", "again", *task, "--out", str(tmp_path / "run")]) == 0
    values: dict[str, dict[tuple[str, int], float | None]] = {"noisy": {}, "again": {}}
    for row in read_results(tmp_path / "run" / "results.json").rows:
        values[row.model][row.metric, row.seed] = row.value
    assert values["noisy"] == values["again"] != {}
    second = export(tmp_path / "run", "folder", tmp_path / "second", "--model", "again")
    before, after = content(first), content(second)
    assert before.pop("manifest.jsonl") != after.pop("manifest.jsonl")  # the name of the model
    assert before == after
    lines = (second / "manifest.jsonl").read_text().replace('"model":"again"', '"model":"noisy"')
    assert lines == (first / "manifest.jsonl").read_text()


def test_texts_come_back_as_they_were(tmp_path: Path) -> None:
    data = write_own_data(tmp_path / "data")
    card = own_card(tmp_path / "ask.toml", "text-generator", ["vqa-accuracy"], prompt=TEXTS)
    strange = ["", "two\nlines\n", " blanks ", "\ufeffmark", "\r\n", "é\u2028", '"quoted"', "plain"]
    lines = [json.dumps({"id": f"ex/{number} é", "text": text}) for number, text in enumerate(strange)]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "manifest.jsonl").write_text("\n".join(lines))
    words = ["--task", str(card), "--data", str(data), "--out", str(tmp_path / "run")]
    assert main(["import", str(tmp_path / "in"), "--as", "first", *words]) == 0
    first = export(tmp_path / "run", "folder", tmp_path / "first", "--model", "first")
    assert main(["import", str(first), "--as", "second", *words]) == 0
    second = export(tmp_path / "run", "folder", tmp_path / "second", "--model", "second")
    texts = {
        name: [
            sample.output["text"]
            for sample in sorted(
                RunReader.open(tmp_path / "run").samples(CellKey("ask", name, "full")), key=lambda item: item.key
            )
        ]
        for name in ("first", "second")
    }
    assert texts["first"] == texts["second"] == strange
    before, after = content(first), content(second)
    assert {name for name in before if before[name] != after[name]} == {"manifest.jsonl"}
    out = export(tmp_path / "run", "hf-dataset", tmp_path / "out", "--model", "first")
    rows = [json.loads(line) for line in (out / "train" / "data.jsonl").read_bytes().decode().split("\n")[:-1]]
    assert [row["text"] for row in rows] == strange


class Refusal(NamedTuple):
    """An export that is refused: the run's benchmark, the layout, more words of the command, and the message."""

    source: str
    layout: str
    words: list[str]
    message: str


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal("geneval", "dpg", [], "does not read the prompts of DPG-Bench"),
        Refusal("geneval", "geneval", ["--samples", "5"], "needs 5 samples of each prompt, and the run has 4 seeds"),
        Refusal("geneval2", "geneval2", ["--samples", "2"], "the judge of GenEval 2 reads 1 samples"),
        Refusal("oneig", "oneig", ["--samples", "3"], "the judge of OneIG-Bench reads 1 or 4 samples"),
        Refusal("geneval", "folder", ["--samples", "2"], "has all samples that are stored"),
        Refusal("geneval", "genevl", [], r"--as genevl: no such layout; did you mean 'geneval'\?"),
        Refusal("geneval", "geneval", ["--model", "colors"], r"--model colors: .* did you mean 'colours'\?"),
        Refusal("geneval", "geneval", ["--data", "nowhere"], "nowhere: no such folder"),
    ],
    ids=lambda refusal: f"{refusal.layout} {' '.join(refusal.words)}",
)
def test_a_run_without_what_a_layout_needs_is_refused(
    tmp_path: Path, runs: dict[str, Path], capsys: pytest.CaptureFixture[str], refusal: Refusal
) -> None:
    words = ["export", str(runs[refusal.source]), "--as", refusal.layout, "--out", str(tmp_path / "out")]
    assert main([*words, *refusal.words]) == 2
    error = capsys.readouterr().err
    assert re.search(refusal.message, error), error
    assert not list(tmp_path.iterdir())


def test_prompts_without_samples_are_refused_or_left_out(
    tmp_path: Path, runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    card = runs["geneval"].parent / "geneval-card.toml"
    gill_bench.run(card, models=[Colours], data=runs["geneval"].parent / "data", out=tmp_path / "run", seeds=4, limit=1)
    words = ["export", str(tmp_path / "run"), "--as", "geneval", "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "1 of 2 prompts of GenEval lack samples: 00001" in capsys.readouterr().err
    assert main([*words, "--partial", "--samples", "3"]) == 0
    assert "exported 3 samples in 5 files" in capsys.readouterr().err
    assert [folder.name for folder in (tmp_path / "out").iterdir() if folder.is_dir()] == ["00000"]


def test_ids_that_a_judge_would_cut_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (prompts := tmp_path / "data" / "dpg" / "prompts").mkdir(parents=True)
    (prompts / "v1.5.txt").write_text("a ladder")
    card = own_card(tmp_path / "dpg.toml", "image-generator", [], contexts=("texts",), source="dpg")
    gill_bench.run(card, models=[Colours], data=tmp_path / "data", out=tmp_path / "run", seeds=1)
    words = ["export", str(tmp_path / "run"), "--as", "dpg", "--samples", "1", "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "the item id 'v1.5' has a dot" in capsys.readouterr().err


def test_prompts_that_changed_since_the_run_are_refused(
    tmp_path: Path, runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(runs["geneval"].parent / "data", data)
    file = data / "geneval/prompts/evaluation_metadata.jsonl"
    file.write_text("".join(f"{line}\n" for line in reversed(file.read_text().splitlines())))
    words = ["export", str(runs["geneval"]), "--as", "geneval", "--out", str(tmp_path / "out"), "--data", str(data)]
    assert main(words) == 2
    assert "its prompt is not the one that the run asked" in capsys.readouterr().err


def test_a_folder_is_written_whole_or_not_at_all(
    tmp_path: Path, runs: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["export", str(runs["geneval"]), "--as", "folder", "--out"]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("kept")
    assert main([*words, str(tmp_path / "full")]) == 2
    assert "is not empty" in capsys.readouterr().err
    # A killed export leaves a hidden folder, which the next one takes away.
    (tmp_path / ".out.1.2.tmp" / "0").mkdir(parents=True)
    shutil.copytree(runs["geneval"], tmp_path / "run")
    damaged = next((tmp_path / "run").rglob("*.png"))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert main(["export", str(tmp_path / "run"), "--as", "folder", "--out", str(tmp_path / "out")]) == 1
    assert "its content is not what the model made" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "run"]
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
        assert main([*words, str(tmp_path / "out")]) == 2
    assert "are free on that disk" in capsys.readouterr().err
    (tmp_path / "out").mkdir()
    export(runs["geneval"], "folder", tmp_path / "out")
    assert (tmp_path / "out" / "0" / "00000.png").is_file()
    provenance = json.loads((tmp_path / "out" / "gill-bench.json").read_text())
    assert (provenance["layout"], provenance["model"], provenance["seeds"]) == ("folder", "colours", [0, 1, 2, 3])


def test_one_of_several_cells_is_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_own_data(tmp_path / "data")
    card = own_card(tmp_path / "paint.toml", "image-generator", [], contexts=("texts", "full"))
    gill_bench.run(card, models=[Colours], data=data, out=tmp_path / "run", seeds=1, limit=2)
    words = ["export", str(tmp_path / "run"), "--as", "folder", "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "2 cells (paint/colours/full, paint/colours/texts); choose one with --task" in capsys.readouterr().err
    assert main([*words, "--context", "full"]) == 0
    assert sorted(file.name for file in (tmp_path / "out" / "0").iterdir()) == ["000000.png", "000001.png"]
