"""The status of runs that were never scored, are under way, failed in part, are old, damaged, or finished."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import gill_bench
from gill_bench.analysis.status import RunStatus, status
from gill_bench.errors import InputError
from gill_bench.rundir.load import read_spec
from gill_bench.rundir.lock import RunLock, is_under_way
from gill_bench.rundir.writer import write_spec
from tests.support.runs import cut, half, whole

CONTEXTS = ("1-caption", "5-captions")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, which tests must not change."""
    return whole(tmp_path_factory.mktemp("status") / "run")


@pytest.fixture(scope="module")
def unscored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is half made and not scored, which tests must not change."""
    return half(tmp_path_factory.mktemp("status") / "run")


def copy_of(folder: Path, to: Path) -> Path:
    """A copy with the same times of modification."""
    subprocess.run(["cp", "-a", folder, to], check=True)
    return to


def files_of(folder: Path) -> dict[Path, tuple[int, int]]:
    return {file: (file.stat().st_size, file.stat().st_mtime_ns) for file in [folder, *folder.rglob("*")]}


def test_the_status_of_a_finished_run(finished: Path) -> None:
    before = files_of(finished)
    known = gill_bench.status(finished)
    assert files_of(finished) == before
    assert (known.state, known.done, known.expected, known.seconds_left) == ("finished", 8, 8, 0.0)
    (cell,) = known.cells
    assert (cell.cell_key, cell.scored, cell.examples, cell.seeds) == (("vist", "noisy", "1-caption"), True, 4, (0, 1))
    assert [unit.samples for unit in cell.units] == [8]
    assert (known.failures, known.damaged, known.missing) == ((), (), 0)


def test_the_status_of_a_run_that_was_never_scored(unscored: Path) -> None:
    assert not (unscored / "results.json").exists()
    known = status(unscored)
    assert (known.state, known.done, known.expected) == ("unfinished", 8, 16)
    assert [cell.pending for cell in known.cells] == [0, 8]
    assert not any(cell.scored for cell in known.cells)
    # The cell of which nothing is stored is taken to be as fast as the other one, with the one worker that there was.
    assert known.workers == 1.0
    assert known.seconds_left == pytest.approx(8 * (known.cells[0].seconds_a_sample or 0.0))


def test_all_outputs_without_results_are_not_scored(finished: Path, tmp_path: Path) -> None:
    copy = copy_of(finished, tmp_path / "run")
    (copy / "results.json").unlink()
    assert status(copy).state == "not scored"


def test_the_last_pictures_come_first(tmp_path: Path) -> None:
    folder = half(half(tmp_path / "run"), shard=(2, 2), limit=8)  # a third unit, and no part is complete
    for number, context in enumerate(("5-captions", "1-caption")):
        for commit in folder.glob(f"units/vist/noisy/{context}/*/unit.json"):
            os.utime(commit, (1_000_000 + number, 1_000_000 + number))
    pictures = status(folder).pictures(100)
    contexts = [picture.parent.parent.name for picture in pictures]
    assert set(contexts) == set(CONTEXTS)
    assert contexts == sorted(contexts)
    assert pictures[0].name.startswith("003-")
    assert all(picture.is_file() for picture in pictures)
    assert status(folder).pictures(3) == pictures[:3]


def test_time_left_counts_workers_that_worked_at_once(unscored: Path, tmp_path: Path) -> None:
    copy = copy_of(unscored, tmp_path / "run")
    os.utime(copy / "env.json", (0, 0))
    (commit,) = copy.glob("units/*/*/*/*/unit.json")
    folder = commit.parent
    for name, ended, seconds in (("f" * 16, 1000.0, 60.0), ("e" * 16, 1000.0, 60.0)):
        twin = copy_of(folder, folder.parent / name) / "unit.json"
        content = json.loads(twin.read_text())
        twin.write_text(json.dumps({**content, "made": {**content["made"], "seconds": seconds}}))
        os.utime(twin, (ended, ended))
    commit.unlink()
    known = status(copy)
    # Two units of 8 samples took 60 seconds each, in the same minute; the other context's 8 samples are left.
    assert (known.workers, known.seconds_left) == (2.0, 30.0)
    os.utime(copy / "env.json", (1_000_000, 1_000_000))  # a later command that has stored nothing yet
    assert status(copy).workers == 2.0


def test_failures_have_their_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    monkeypatch.setenv("NOISY_FAIL_ON", "then it")
    half(folder)
    (item,) = status(folder).failures
    assert (item.outcome, item.examples, item.seeds) == ("failed", ("1025", "1027"), (0, 1))
    assert item.reason.startswith("RuntimeError: ")
    assert item.where.startswith("noisy.py:")
    assert (folder / item.record).is_file()
    cell = status(folder).cells[0]
    assert (cell.done, cell.failed, cell.pending) == (4, 4, 0)
    monkeypatch.delenv("NOISY_FAIL_ON")
    half(folder)
    assert status(folder).failures == ()
    assert status(folder).cells[0].done == 8


def test_a_run_that_grows_is_unfinished_until_the_rest_is_made(finished: Path, tmp_path: Path) -> None:
    copy = copy_of(finished, tmp_path / "run")
    spec = read_spec(copy)
    write_spec(copy, replace(spec, cells=tuple(replace(cell, usable=8) for cell in spec.cells)))
    assert (status(copy).state, status(copy).done, status(copy).expected) == ("unfinished", 8, 16)
    write_spec(copy, replace(spec, cells=tuple(replace(cell, usable=2) for cell in spec.cells)))
    assert (status(copy).done, status(copy).expected) == (4, 4)
    other = tuple(replace(cell, recipe={**cell.recipe, "version": 0}) for cell in spec.cells)
    write_spec(copy, replace(spec, cells=other))
    assert (status(copy).done, status(copy).expected) == (0, 8)


def test_a_run_of_an_older_version_counts_by_its_rows_or_says_unknown(finished: Path, tmp_path: Path) -> None:
    copy = copy_of(finished, tmp_path / "run")
    spec = read_spec(copy)
    write_spec(copy, replace(spec, cells=tuple(replace(cell, usable=None) for cell in spec.cells)))
    assert "usable" not in (copy / "spec.json").read_text()
    assert (status(copy).state, status(copy).expected) == ("finished", 8)
    (copy / "results.json").unlink()
    known = status(copy)
    assert (known.state, known.done, known.expected, known.seconds_left) == ("not scored", 8, None, None)


def test_a_damaged_unit_is_named_and_not_counted(finished: Path, tmp_path: Path) -> None:
    copy = copy_of(finished, tmp_path / "run")
    (commit,) = copy.glob("units/vist/noisy/1-caption/*/unit.json")
    cut(commit)
    known = status(copy)
    assert (known.state, known.done) == ("unfinished", 0)
    assert [sentence.partition(" is damaged")[0] for sentence in known.damaged] == [str(commit)]


def test_a_damaged_file_of_the_run_is_an_error(finished: Path, tmp_path: Path) -> None:
    copy = copy_of(finished, tmp_path / "run")
    cut(copy / "results.json")
    with pytest.raises(InputError, match=r"results\.json"):
        status(copy)


def test_a_process_that_works_on_the_run_is_seen(unscored: Path, tmp_path: Path) -> None:
    copy = copy_of(unscored, tmp_path / "run")
    code = (
        "import sys; from pathlib import Path; from gill_bench.rundir.lock import RunLock\n"
        "with RunLock(Path(sys.argv[1])): print('works', flush=True); sys.stdin.read()"
    )
    assert status(copy).state == "unfinished"
    with subprocess.Popen(
        [sys.executable, "-c", code, copy], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "works\n"
        assert status(copy).state == "under way"
        other.stdin.close()
        other.wait()
    assert status(copy).state == "unfinished"


def test_asking_in_the_process_that_works_keeps_its_locks(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from gill_bench.rundir.lock import RunLock\n"
        "with RunLock(Path(sys.argv[1])) as lock, lock.unit('ab', wait=False) as held: print(held)"
    )
    with RunLock(tmp_path) as lock, lock.unit("ab", wait=True):
        assert is_under_way(tmp_path)
        other = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
        assert other.stdout == "False\n"
    assert not is_under_way(tmp_path)


def test_a_folder_that_nobody_has_locked_is_not_written(tmp_path: Path) -> None:
    assert not is_under_way(tmp_path)
    assert not list(tmp_path.iterdir())


def test_cells_without_stored_outputs_are_finished_when_scored() -> None:
    assert RunStatus(Path("run"), False, ()).state == "finished"
