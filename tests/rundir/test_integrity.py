"""Stored files count only for the inputs that they were made of, and one flipped bit of a run's file is found."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

import gill_bench
from gill_bench import evaluate as runs_run
from gill_bench.cli import main
from gill_bench.errors import GillBenchError, InputError
from gill_bench.evaluate import score
from gill_bench.planning.plan import execution_options
from gill_bench.planning.request import RunRequest
from gill_bench.rundir.load import read_spec
from gill_bench.rundir.verify import verify
from gill_bench.rundir.verify_results import Problem
from gill_bench.scoring import score_units
from gill_bench.storage.json import to_json
from tests.support.able import run as run_able
from tests.support.runs import run, tree

PLACE = "units/vist/noisy/1-caption"


def small(out: Path, **changes: object) -> runs_run.Outcome:
    return run(out, **{"limit": 3, "seeds": 1, "contexts": ("1-caption",), **changes})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three stories with one seed."""
    out = tmp_path_factory.mktemp("made") / "run"
    assert small(out).complete
    return out


@pytest.fixture
def out(tmp_path: Path, whole: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def as_older(out: Path) -> None:
    """Rewrite a run as the version before wrote it: the spec has no seal, and scores do not name their outputs."""
    spec = json.loads((out / "spec.json").read_text())
    (out / "spec.json").write_text(to_json({k: v for k, v in spec.items() if k not in ("format", "sha256")}, indent=1))
    for file in out.glob("units/*/*/*/*/score-*.json"):
        content = json.loads(file.read_text())
        del content["content"], content["sha256"]
        file.write_text(to_json({**content, "sha256": hashlib.sha256(to_json(content).encode()).hexdigest()}))


def commit_again(unit: Path, pictures: Callable[[Path], Image.Image]) -> None:
    """Replace all pictures of a unit, and write a `unit.json` that fits them."""
    commit = json.loads((unit / "unit.json").read_text())
    for file in unit.glob("*.png"):
        pictures(file).save(file)
        commit["files"][file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    (unit / "unit.json").write_text(json.dumps(commit))


def other(file: Path) -> Image.Image:
    with Image.open(file) as opened:
        return opened.transpose(Image.Transpose.FLIP_TOP_BOTTOM).point(lambda value: 255 - value)


def values(outcome: runs_run.Outcome) -> dict[tuple[str, int], float | None]:
    return {(row.metric, row.seed): row.value for row in outcome.results.rows}


@pytest.mark.parametrize("older", [False, True])
def test_scores_of_a_smaller_limit_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, older: bool) -> None:
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(runs_run, "score_units", lambda *_: ["stopped"])
        with pytest.raises(GillBenchError, match="stopped"):
            small(out, limit=6)
    assert {row.n_expected for row in small(out, limit=3).results.rows} == {3}
    if older:
        as_older(out)
    grown = small(out, limit=6)
    assert grown.complete
    assert {(row.n_expected, row.n_scored, row.n_failed) for row in grown.results.rows} == {(6, 6, 0)}
    assert values(grown) == values(small(tmp_path / "direct", limit=6))
    assert values(score(out, "cpu")) == values(grown)
    assert verify(out).whole


def test_a_command_that_ends_last_leaves_spec_and_results_of_the_same(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two commands with different limits on one folder: the second begins and ends while the first scores."""
    out = Path(shutil.copytree(whole, tmp_path / "run"))
    real = score_units

    def score_while_another_runs(*arguments: object) -> list[str]:
        monkeypatch.setattr(runs_run, "score_units", real)
        (out / ".lock").rename(out / ".lock.held")  # as another process has a lock of its own
        small(out, limit=2)
        (out / ".lock.held").rename(out / ".lock")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(runs_run, "score_units", score_while_another_runs)
    assert {row.n_expected for row in small(out, limit=3).results.rows} == {3}
    assert [task.limit for task in read_spec(out).tasks.values()] == [3]
    assert {row.n_expected for row in score(out, "cpu").results.rows} == {3}


def test_pictures_committed_again_are_scored_again(out: Path, tmp_path: Path) -> None:
    before = values(score(out, "cpu"))
    for unit in (out / PLACE).iterdir():
        commit_again(unit, other)
    stale = verify(out).problems
    assert {problem.reason.partition(";")[0] for problem in stale} == {"of other outputs than the unit has now"}
    after = values(score(out, "cpu"))
    assert all(after[key] != before[key] for key in before)
    for file in out.rglob("score-*.json"):
        file.unlink()
    assert values(score(out, "cpu")) == after
    assert verify(out).whole


@pytest.fixture(scope="module")
def distances(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with FID and KID of 20 pictures."""
    out = tmp_path_factory.mktemp("distances") / "run"
    assert run_able(out, "coco-fid", limit=20, settings=("coco-fid.min_samples=20",)).complete
    return out


def test_distances_of_replaced_pictures_are_computed_again(tmp_path: Path, distances: Path) -> None:
    out = Path(shutil.copytree(distances, tmp_path / "run"))
    before = values(score(out, "cpu"))
    for unit in out.glob("units/*/*/*/*"):
        if unit.is_dir():
            commit_again(unit, other)
    assert {problem.reason.partition(";")[0] for problem in verify(out).problems} == {
        "of other pictures than the unit has now"
    }
    after = values(score(out, "cpu"))
    assert after["fid[mini]", 0] != before["fid[mini]", 0]
    for pattern in ("score-*.json", "features-*.npy"):
        for file in out.rglob(pattern):
            file.unlink()
    assert values(score(out, "cpu")) == after
    assert verify(out).whole


def test_the_signature_of_kid_says_the_subsets_that_were_drawn(distances: Path) -> None:
    rows = {row.metric: row for row in gill_bench.load_run(distances)._stored().results.rows}
    assert "|kid:100x20|" in rows["kid[mini]"].signature
    assert "|kid:100x20|" in rows["kid-over-subsets-sd[mini]"].signature
    assert "kid:" not in rows["fid[mini]"].signature


def flips(content: bytes) -> Iterator[bytes]:
    """Copies of a file with one bit flipped, at every 97th byte."""
    for position in range(0, len(content), 97):
        changed = bytearray(content)
        changed[position] ^= 1 << position % 7
        yield bytes(changed)


def test_one_flipped_bit_of_the_spec_is_found(out: Path) -> None:
    file = out / "spec.json"
    for changed in flips(file.read_bytes()):
        file.write_bytes(changed)
        with pytest.raises(InputError):
            read_spec(out)


def limit_altered(file: Path) -> None:
    file.write_text(file.read_text().replace('"limit": 3', '"limit": 2'))


def without_seal(file: Path) -> None:
    content = json.loads(file.read_text())
    del content["sha256"]
    file.write_text(to_json(content))


def zeroed(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def folder(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.mkdir()
    (file / "note.txt").write_text("somebody put this here")


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def link_to_itself(file: Path) -> None:
    file.unlink()
    file.symlink_to(file)


@pytest.mark.parametrize("damage", [limit_altered, without_seal, zeroed, folder, pipe, link_to_itself])
def test_a_damaged_spec_is_named_by_all_and_renewed_by_run(
    out: Path, whole: Path, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    damage(out / "spec.json")
    for command in (["score"], ["report"], ["report", "--html"], ["compare", str(whole)], ["verify"]):
        capsys.readouterr()
        assert main([command[0], str(out), *command[1:]]) in (1, 2), command
        said = capsys.readouterr()
        text = said.out + said.err
        assert "spec.json" in text, command
        assert "damaged:" in text, command
        assert "run the same command again" in text, command
        assert "Traceback" not in text, command
    assert small(out).complete
    assert (
        "the old one is spec.json.damaged; run the other commands on this folder again too" in capsys.readouterr().err
    )
    put_aside = out / "spec.json.damaged"
    shutil.rmtree(put_aside) if put_aside.is_dir() and not put_aside.is_symlink() else put_aside.unlink()
    shutil.rmtree(out / "page", ignore_errors=True)
    assert tree(out) == tree(whole)


def test_a_spec_in_a_folder_that_is_no_run_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "spec.json").write_text('{"openapi": "3.1"}')
    with pytest.raises(InputError, match=r"spec.json: damaged: .* is .*run the folder of a run\?"):
        small(tmp_path / "run")
    assert (tmp_path / "run" / "spec.json").read_text() == '{"openapi": "3.1"}'


def test_a_run_of_the_version_before_verifies_and_is_sealed_when_it_is_scored(out: Path, whole: Path) -> None:
    as_older(out)
    assert verify(out).whole
    read = [gill_bench.load_run(folder).samples("vist").drop(columns="file") for folder in (out, whole)]
    assert read[0].to_dict("records") == read[1].to_dict("records")
    units = {file: file.stat().st_mtime_ns for file in out.rglob("unit.json")}
    assert score(out, "cpu").complete
    assert {file: file.stat().st_mtime_ns for file in out.rglob("unit.json")} == units
    assert tree(out) == tree(whole)


@pytest.mark.parametrize(
    "pattern",
    [
        f"{PLACE}/*/unit.json",
        f"{PLACE}/*/samples.jsonl",
        f"{PLACE}/*/*.png",
        f"{PLACE}/*/score-lpips-*.json",
        "results.json",
        "env.json",
    ],
)
@pytest.mark.parametrize("damage", [folder, pipe])
def test_a_damaged_or_replaced_file_is_named_and_made_again(
    out: Path, whole: Path, pattern: str, damage: Callable[[Path], None]
) -> None:
    file = next(out.glob(pattern))
    name = file.relative_to(out).as_posix()
    damage(file)
    verdict = verify(out)
    assert not verdict.whole
    assert all(part in str(verdict) for part in name.rsplit("/", 1))
    assert small(out).complete
    assert verify(out).whole
    for aside in out.rglob("*.damaged"):
        shutil.rmtree(aside) if aside.is_dir() else aside.unlink()
    assert tree(out) == tree(whole)


def test_deleted_scores_and_results_are_missed(distances: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert small(out, limit=6).complete
    assert len(list((out / PLACE).iterdir())) == 2
    score_file = next(out.glob(f"{PLACE}/*/score-lpips-*.json"))
    score_file.unlink()
    mend = f"make it again with: gill-bench score {out}"
    name = score_file.relative_to(out).as_posix()
    assert verify(out).problems == (Problem(name, f"not there, though results.json counts its values; {mend}"),)
    assert score(out, "cpu").complete
    assert verify(out).whole
    for file in out.glob(f"{PLACE}/*/score-lpips-*.json"):
        file.unlink()
    (problem,) = verify(out).problems
    assert problem == Problem(PLACE, f"no score file for lpips[mini], seed 0, which results.json has; {mend}")
    (out / "results.json").unlink()
    (problem,) = verify(out).problems
    assert problem.file == "results.json"
    assert problem.reason.startswith("not there, though outputs were scored; write it again with: gill-bench score")
    assert score(out, "cpu").complete
    assert verify(out).whole
    (out / "spec.json").unlink()
    (problem,) = verify(out).problems
    assert problem.file == "spec.json"
    assert "run the same command again" in problem.reason

    copied = Path(shutil.copytree(distances, tmp_path / "distances"))
    next(copied.glob("units/*/*/*/score-fid-*.json")).unlink()
    assert {absent.reason.partition(",")[0] for absent in verify(copied).problems} == {
        f"no score file for {metric}" for metric in ("fid[mini]", "kid[mini]", "kid-over-subsets-sd[mini]")
    }


def test_strange_files_in_a_run_are_left_alone(out: Path, whole: Path, tmp_path: Path) -> None:
    cell = out / PLACE
    unit = next(cell.iterdir())
    strange = [
        *(folder / name for folder in (out, out / "units", cell, unit) for name in (".DS_Store", "score-notes.json")),
        cell / "score-lpips-old.json",
        unit / "features-notes.npy",
    ]
    for file in strange:
        file.write_text("notes")
    shutil.copytree(unit, cell / f"{unit.name} (copy)")
    (cell / "backup").mkdir()
    assert verify(out).whole
    for command in (["score"], ["report"], ["report", "--html"], ["compare", str(whole)]):
        assert main([command[0], str(out), *command[1:]]) == 0, command
    assert small(out).complete
    assert all(file.read_text() == "notes" for file in strange)
    assert len(gill_bench.load_run(out).samples("vist")) == 3


def test_a_run_whose_units_were_deleted_is_an_error_without_a_traceback(
    out: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(out / "units")
    assert {problem.reason.partition(";")[0].partition(": ")[2] for problem in verify(out).problems} == {
        "3 scored, but 0 stored"
    }
    for command in (["score"], ["report"], ["report", "--html"], ["compare", str(whole)], ["verify"]):
        main([command[0], str(out), *command[1:]])
        said = capsys.readouterr()
        assert "unexpected" not in said.err + said.out, command
        assert "Traceback" not in said.err, command


def test_a_report_on_damaged_samples_says_what_to_do(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = next(out.rglob("samples.jsonl"))
    file.write_bytes(file.read_bytes()[:-10])
    for command in (["report", str(out), "--html"], ["compare", str(out), str(out)]):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert f"{file} is damaged (its SHA-256 differs); gill-bench verify {out} withdraws its unit" in said
        assert "Traceback" not in said


@pytest.mark.parametrize("damage", [zeroed, lambda file: file.write_text('{"schema_version": 1, "sessions"')])
def test_a_damaged_record_of_sessions_is_kept_aside(
    out: Path, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("env.json.damaged", "env.json.damaged.2"):
        damage(out / "env.json")
        content = (out / "env.json").read_bytes()
        assert [problem.file for problem in verify(out).problems] == ["env.json"]
        assert main(["report", str(out), "--html"]) == 2
        assert "env.json: damaged: " in capsys.readouterr().err
        assert small(out).complete
        assert f"it is begun anew, and the old one is {name}" in capsys.readouterr().err
        assert (out / name).read_bytes() == content
        assert len(json.loads((out / "env.json").read_text())["sessions"]) == 1


def test_score_takes_as_many_threads_as_run_did(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's sums differ in the last digits with the number of threads."""
    used: list[int] = []
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    monkeypatch.setattr(torch, "get_num_threads", lambda: used[-1] if used else 7)
    assert (
        execution_options(RunRequest((), out, device="cpu")).threads == 1
    )  # as the command line always did with embedded weights
    assert execution_options(RunRequest((), out, device="cpu", weights="folder")).threads == 1
    used.clear()
    assert execution_options(RunRequest((), out, device="cpu", weights="folder")).threads == 7
    assert execution_options(RunRequest((), out, device="cpu", threads=5)).threads == 5
    small(out, threads=3)
    used.clear()
    score(out, "cpu")
    assert set(used) == {3}
    (out / "env.json").unlink()
    used.clear()
    score(out, "cpu")
    assert set(used) == {1}
