"""`gill-bench verify`: what is damaged is found, withdrawn and made again; what is whole is left alone."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gill_bench.cli import main
from gill_bench.errors import InputError
from gill_bench.rundir.load import read_features
from gill_bench.rundir.lock import RunLock
from gill_bench.rundir.verify import DAMAGED, verify
from gill_bench.rundir.writer import write_features
from gill_bench.storage.sealed import write_sealed
from tests.support.able import KINDS, cards_with_small_units
from tests.support.able import run as run_able
from tests.support.runs import CARDS, change_a_byte, change_a_feature, change_a_result, change_a_score, cut, run, tree

LIMIT = 20


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of pictures, scored one by one."""
    out = tmp_path_factory.mktemp("pictures") / "run"
    assert run(out, contexts=("1-caption",)).complete
    return out


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return (CARDS, cards_with_small_units(tmp_path_factory.mktemp("cards") / "own", *KINDS))


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory, cards: tuple[Path, ...]) -> Path:
    """A run of every other kind of output, and of pictures with their features."""
    out = tmp_path_factory.mktemp("kinds") / "run"
    assert run_able(out, *KINDS, limit=LIMIT, card_folders=cards).complete
    assert run_able(out, "coco-fid", limit=40, settings=("coco-fid.min_samples=40",)).complete
    return out


def other_picture(file: Path) -> None:
    """Replace a picture by another valid one."""
    Image.new("RGB", (8, 8), (1, 2, 3)).save(file)


def other_vectors(file: Path) -> None:
    np.save(file, np.load(file)[::-1])


def another_example(file: Path) -> None:
    content = json.loads(file.read_text())
    content["examples"][0][0] = "1031"
    file.write_text(json.dumps(content))


def not_finite(file: Path) -> None:
    content = json.loads(file.read_text())
    content["values"][0][2] = float("nan")
    file.write_text(json.dumps(content))


def other_counts(count: int) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        """Change the counts of results.json and seal it again, like a program that counts wrongly."""
        content = json.loads(file.read_text())
        del content["sha256"]
        for row in content["rows"]:
            row["n_scored"] = count
        write_sealed(file, content)

    return damage


def empty(file: Path) -> None:
    file.write_bytes(b"")


def test_undamaged_runs_verify_and_stay_untouched(pictures: Path, kinds: Path) -> None:
    for folder in (pictures, kinds):
        before = {file: file.stat().st_mtime_ns for file in folder.rglob("*")}
        report = verify(folder)
        assert report.whole, report
        assert report.units == len(list(folder.rglob("unit.json"))) > 1
        assert {file: file.stat().st_mtime_ns for file in folder.rglob("*")} == before
    committed = [json.loads(file.read_text())["files"] for file in pictures.rglob("unit.json")]
    assert verify(pictures).files == sum(map(len, committed))


@pytest.mark.parametrize(
    ("pattern", "damage", "reason"),
    [
        ("unit.json", cut, "unit.json is damaged"),
        ("unit.json", empty, "unit.json is damaged"),
        ("unit.json", another_example, "its examples, seeds or recipe are not those of this unit"),
        ("unit.json", lambda file: file.write_text("[" * 100_000), "nested too deeply"),
        ("samples.jsonl", cut, "samples.jsonl is damaged"),
        ("samples.jsonl", change_a_byte, "samples.jsonl is damaged"),
        ("samples.jsonl", Path.unlink, "samples.jsonl is missing"),
        ("*.png", cut, "its content is not what the model made"),
        ("*.png", change_a_byte, "its content is not what the model made"),
        ("*.png", empty, "its content is not what the model made"),
        ("*.png", other_picture, "its content is not what the model made"),
        ("*.png", Path.unlink, ".png is missing"),
    ],
)
def test_a_damaged_unit_is_withdrawn_and_made_again(
    tmp_path: Path, pictures: Path, pattern: str, damage: Callable[[Path], None], reason: str
) -> None:
    out = Path(shutil.copytree(pictures, tmp_path / "run"))
    file = next(out.rglob(pattern))
    damage(file)
    left = file.read_bytes() if file.exists() else None
    report = verify(out)
    (damaged,) = report.damaged
    assert damaged.unit == file.parent.relative_to(out).as_posix()
    assert reason in damaged.reason
    assert damaged.withdrawn
    assert not (file.parent / "unit.json").exists()
    kept = file.parent / DAMAGED if pattern == "unit.json" else file
    assert (kept.read_bytes() if kept.exists() else None) == left  # to be looked at
    assert not verify(out).damaged
    assert run(out, contexts=("1-caption",)).complete
    assert verify(out).whole
    assert tree(out) == tree(pictures)


@pytest.mark.parametrize(
    ("pattern", "damage", "reason"),
    [
        ("vist-retrieval/able/candidates/*/vectors.npy", other_vectors, "vectors.npy is damaged"),
        ("vist-retrieval/able/candidates/*/vectors.npy", cut, "vectors.npy is damaged"),
        ("vqav2/able/question/*/samples.jsonl", change_a_byte, "samples.jsonl is damaged"),
        ("visdial-answers/able/history/*/samples.jsonl", cut, "samples.jsonl is damaged"),
    ],
)
def test_a_damaged_unit_of_every_kind_of_output_is_withdrawn_and_made_again(
    tmp_path: Path,
    kinds: Path,
    cards: tuple[Path, ...],
    pattern: str,
    damage: Callable[[Path], None],
    reason: str,
) -> None:
    out = Path(shutil.copytree(kinds, tmp_path / "run"))
    damage(next((out / "units").glob(pattern)))
    (damaged,) = verify(out).damaged
    assert reason in damaged.reason
    assert run_able(out, pattern.partition("/")[0], limit=LIMIT, card_folders=cards).complete
    assert verify(out).whole
    assert tree(out) == tree(kinds)


@pytest.mark.parametrize(
    ("pattern", "damage", "reason"),
    [
        ("score-clip*.json", cut, "damaged"),
        ("score-clip*.json", not_finite, "NaN is not a finite number"),
        ("score-clip*.json", change_a_score, "altered since it was written"),
        ("results.json", change_a_result, "altered since it was written"),
        ("results.json", cut, "damaged"),
        ("results.json", other_counts(-6), "-6"),
        ("results.json", other_counts(5), "6 exp"),
        ("spec.json", cut, "damaged"),
    ],
)
def test_damaged_scores_and_results_are_named_and_not_withdrawn(
    tmp_path: Path, pictures: Path, pattern: str, damage: Callable[[Path], None], reason: str
) -> None:
    out = Path(shutil.copytree(pictures, tmp_path / "run"))
    file = next(out.rglob(pattern))
    damage(file)
    report = verify(out)
    assert not report.damaged
    assert report.problems
    assert {problem.file for problem in report.problems} == {file.relative_to(out).as_posix()}
    assert all(reason in problem.reason for problem in report.problems)
    if pattern in ("spec.json", "score-clip*.json"):
        file.unlink()  # as it says
    assert run(out, contexts=("1-caption",)).complete
    assert tree(out) == tree(pictures)


def test_damaged_features_are_named(tmp_path: Path, kinds: Path) -> None:
    out = Path(shutil.copytree(kinds, tmp_path / "run"))
    short, other = sorted(out.rglob("features-*.npy"))[:2]
    features, of = read_features(short)
    write_features(short, features[1:], of)
    change_a_feature(other)
    for reason in ("altered since it was written", "damaged"):
        report = verify(out)
        assert [problem.file for problem in report.problems] == [
            file.relative_to(out).as_posix() for file in (short, other)
        ]
        assert " rows for " in report.problems[0].reason
        assert reason in report.problems[1].reason
        cut(other)


def test_rows_that_count_more_than_is_stored_are_named(tmp_path: Path, pictures: Path) -> None:
    out = Path(shutil.copytree(pictures, tmp_path / "run"))
    shutil.rmtree(next(out.rglob("unit.json")).parent)
    report = verify(out)
    assert not report.damaged
    assert len(report.problems) == 4  # two metrics, two seeds
    assert all("scored, but" in problem.reason for problem in report.problems)


def test_units_that_another_process_works_on_are_left_alone(tmp_path: Path, pictures: Path) -> None:
    out = Path(shutil.copytree(pictures, tmp_path / "run"))
    file = next(out.rglob("*.png"))
    cut(file)
    context = multiprocessing.get_context("spawn")
    ready, stop = context.Event(), context.Event()
    other = context.Process(target=hold, args=(out, file.parent.name, ready, stop))
    other.start()
    try:
        assert ready.wait(60)
        (damaged,) = verify(out).damaged
        assert not damaged.withdrawn
        assert (file.parent / "unit.json").exists()
    finally:
        stop.set()
        other.join()
    assert verify(out).damaged[0].withdrawn


def hold(out: Path, unit: str, ready: Event, stop: Event) -> None:
    with RunLock(out) as lock, lock.unit(unit, wait=True):
        ready.set()
        stop.wait(60)


def test_damage_in_a_folder_that_cannot_be_written_is_still_reported(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = Path(shutil.copytree(pictures, tmp_path / "run"))
    file = next(out.rglob("*.png"))
    cut(file)
    before = tree(out)

    def read_only(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(RunLock, "__init__", read_only)
        assert main(["verify", str(out)]) == 1
    said = capsys.readouterr()
    assert said.out.startswith("damaged    units/vist/noisy/1-caption/")
    assert "units that were not withdrawn (read-only, or in work): delete their folders" in said.err
    assert tree(out) == before


def test_the_command_verify_reports_damage_as_text_and_json(
    tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = Path(shutil.copytree(pictures, tmp_path / "run"))
    assert main(["verify", str(out)]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "2 units, 14 files: all as they were written" in said.err
    file = next(out.rglob("*.png"))
    cut(file)
    assert main(["verify", str(out), "--json"]) == 1
    said = capsys.readouterr()
    content = json.loads(said.out)
    assert not content["whole"]
    assert [unit["unit"] for unit in content["damaged"]] == [file.parent.relative_to(out).as_posix()]
    assert "run the command that made it again: it makes the withdrawn units again" in said.err
    assert main(["verify", str(out)]) == 1  # the results still say what is no longer there
    assert "scored, but" in capsys.readouterr().out
    with pytest.raises(InputError, match="this is not the folder of a run"):
        verify(tmp_path)
