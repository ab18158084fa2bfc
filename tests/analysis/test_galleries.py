"""The entries that a page shows of runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gill_bench.analysis.compare import compare
from gill_bench.analysis.galleries import galleries, in_words, model_tests, record_of
from gill_bench.analysis.gallery_records import Gallery, Lost
from gill_bench.analysis.side import Side
from gill_bench.cli import main
from gill_bench.errors import InputError
from gill_bench.evaluate import score
from gill_bench.rundir.reader import RunReader
from tests.support.runs import CARDS, run
from tests.support.stories import small_vist


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six stories, two seeds, two models; not to be changed."""
    folder = tmp_path_factory.mktemp("galleries")
    shutil.copy(CARDS / "noisy.py", folder)
    card = (CARDS / "noisy.toml").read_text().replace('"noisy"', '"noisy-striped"').replace('"plain"', '"striped"')
    (folder / "noisy-striped.toml").write_text(card)
    run(folder / "run", models=("noisy", "noisy-striped"), card_folders=(CARDS, folder))
    return folder / "run"


def gallery_by_context(folder: Path, data: str | None = None) -> dict[str, Gallery]:
    return {gallery.context: gallery for gallery in galleries([RunReader.open(folder)], data)}


def test_an_example_is_what_was_given_the_target_and_every_output(done: Path) -> None:
    by_context = gallery_by_context(done)
    assert list(by_context) == ["1-caption", "5-captions", "5-captions-4-images"]
    gallery = by_context["5-captions-4-images"]
    assert (gallery.task, gallery.note, len(gallery.examples)) == ("vist", "", 6)
    example = gallery.examples[0]
    assert [type(part).__name__ for part in example.prompt] == ["str", "PictureFile"] * 4 + ["str"]
    story = json.loads((small_vist() / "sis" / "test.story-in-sequence.json").read_text())
    words = [each[0]["text"] for each in story["annotations"] if each[0]["story_id"] == example.example]
    assert [part for part in example.prompt if isinstance(part, str)] == words
    photos = [each[0]["photo_flickr_id"] for each in story["annotations"] if each[0]["story_id"] == example.example]
    assert [part.id for part in example.prompt if not isinstance(part, str)] == photos[:4]
    assert example.target is not None
    assert example.target.id == photos[4]
    assert example.target.file is not None
    assert example.target.file.is_file()
    assert [shown.seed for shown in example.outputs["noisy"]] == [0, 1]
    assert all(shown.picture is not None and shown.picture.is_file() for shown in example.outputs["noisy"])


def test_values_average_to_the_rows(done: Path) -> None:
    rows = RunReader.open(done).results.rows
    for context, gallery in gallery_by_context(done).items():
        for scores in gallery.scores:
            for model, seeds in scores.by_model.items():
                for seed, each in seeds.items():
                    (row,) = (
                        row
                        for row in rows
                        if (row.context, row.metric, row.model, row.seed) == (context, scores.metric, model, seed)
                    )
                    assert sum(each.values()) / len(each) == pytest.approx(row.value)


def test_significance_tests_of_models_are_those_of_compare(done: Path) -> None:
    tests = model_tests([RunReader.open(done)])
    expected = {
        (comparison.context, comparison.metric): comparison
        for comparison in compare(Side(done, "noisy"), Side(done, "noisy-striped"))
    }
    assert len(tests) == len(expected) == 6
    for test in tests:
        other = expected[test.context, test.metric]
        assert (test.models, test.difference, test.p, test.better) == (
            other.models,
            other.difference,
            other.p,
            other.better,
        )
        assert test.p_holm >= test.p


def test_without_its_data_a_run_is_shown_without_the_datas_pictures(
    done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = shutil.copytree(done, tmp_path / "far" / "away" / "run")
    gallery = gallery_by_context(moved)["5-captions-4-images"]
    assert "The data was not found" in gallery.note
    assert "name its folder: --data DIR" in capsys.readouterr().err
    example = gallery.examples[0]
    assert [part.file for part in example.prompt if not isinstance(part, str)] == [None] * 4
    assert example.outputs["noisy"][0].picture is not None
    again = gallery_by_context(moved, str(small_vist()))["5-captions-4-images"]
    assert again.note == ""
    assert [each.example for each in again.examples] == [
        each.example for each in gallery_by_context(done)["1-caption"].examples
    ]


def test_runs_taken_together_are_one_gallery(done: Path, tmp_path: Path) -> None:
    run(tmp_path / "other", models=("noisy",), settings=("noisy.style=striped",), contexts=("5-captions",))
    stored = [RunReader.open(done), RunReader.open(tmp_path / "other")]
    (both,) = (gallery for gallery in galleries(stored) if gallery.context == "5-captions")
    assert both.models == ("noisy", "noisy-striped")
    assert {shown.picture.is_relative_to(done) for shown in both.examples[0].outputs["noisy"] if shown.picture} == {
        True
    }


def test_outputs_without_pictures_are_shown_in_words() -> None:
    assert in_words({"scores": [-3.0, -1.0, -2.0, -9.0]}, ("a", "b", "c", "d")) == "b (-1); c (-2); a (-3)"
    assert in_words({"decision": "retrieve", "probability": 0.25}, ()) == "decision: retrieve\nprobability: 0.25"
    assert in_words({}, ()) is None
    assert in_words({"text": ""}, ()) == ""


def test_a_damaged_record_of_sessions_is_named(done: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(done, tmp_path / "run")
    (copied / "env.json").write_text("{")
    with pytest.raises(InputError, match=r"env\.json: damaged"):
        record_of(RunReader.open(copied))
    (copied / "env.json").unlink()
    assert record_of(RunReader.open(copied)).sessions == []


@pytest.mark.parametrize("where", ["by default", "named", "named after ="])
def test_the_command_report_writes_a_page(
    done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    folder = shutil.copytree(done, tmp_path / "run")
    named = tmp_path / "elsewhere"
    words = {"by default": ["--html"], "named": ["--html", str(named)], "named after =": [f"--html={named}"]}[where]
    assert main(["report", str(folder), *words, "--data", str(small_vist())]) == 0
    page = folder / "page" if where == "by default" else named
    assert capsys.readouterr().out.strip() == str(page / "index.html")
    assert {file.name for file in page.glob("*.html")} == {"index.html", "gallery-vist.html"}


def test_wrong_arguments_for_a_page_are_refused(done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--html"]) == 2
    assert "no run is given" in capsys.readouterr().err
    assert main(["report", str(done), "--html", str(tmp_path), "--json"]) == 2
    assert "leave --out, --format and --json out" in capsys.readouterr().err
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["report", str(done), "--html", str(tmp_path)]) == 2
    assert "holds files that are not of a page" in capsys.readouterr().err


def test_examples_without_an_output_keep_their_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vist: Path
) -> None:
    """A story lacks its picture, on another the model fails, and a third was not generated yet."""
    story = json.loads((vist / "sis" / "test.story-in-sequence.json").read_text())
    (vist / "images" / "test" / f"{story['images'][2]['id']}.png").unlink()  # of the first two stories
    texts: dict[str, list[str]] = {}
    for ((record,),) in zip(story["annotations"], strict=True):
        texts.setdefault(record["story_id"], []).append(record["text"])
    third = list(texts)[2]
    monkeypatch.setenv("NOISY_FAIL_ON", " ".join(texts[third]))
    out = tmp_path / "run"
    settings = ("vist.unreadable=count",)
    run(out, data=str(vist), settings=settings, contexts=("5-captions",), seeds=1)
    last = max(out.rglob("unit.json"), key=lambda file: json.loads(file.read_text())["examples"][-1][0])
    names = [name for name, _ in json.loads(last.read_text())["examples"]]
    last.unlink()
    score(out, "cpu")
    (gallery,) = gallery_by_context(out).values()
    lost = {shown.example: shown.lost for shown in gallery.examples if shown.lost}
    first, second = list(texts)[:2]
    assert lost.keys() == {first, second, third, *names}
    assert all(lost[name]["noisy"][0].outcome == "missing" for name in (first, second))
    assert "is not in the data folder" in lost[first]["noisy"][0].reason
    (failed,) = lost[third]["noisy"]
    assert (failed.outcome, failed.seeds) == ("failed", (0,))
    assert failed.reason.startswith("RuntimeError: the planted failure at noisy.py:")
    assert lost[names[0]]["noisy"] == (Lost("not made yet", (0,)),)
    example = next(shown for shown in gallery.examples if shown.example == third)
    assert list(example.prompt) == texts[third]
    assert example.outputs == {}
    (failure,) = record_of(RunReader.open(out)).failed
    assert failure[:4] == ("vist", "noisy", "5-captions", third)
    assert (out / failure[5]).is_file()
