"""A kill and a full disk before each single change that a run makes on the disk, and a disk that cannot be written."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gill_bench.cli import main
from gill_bench.errors import GillBenchError
from gill_bench.evaluate import Outcome
from tests.support.able import run as run_able
from tests.support.runs import run, tree
from tests.support.writes import count_changes, killed_before, watching

Work = Callable[[Path], Outcome]


def one_picture(out: Path) -> Outcome:
    """Pictures, scored one by one."""
    return run(out, limit=1, contexts=("1-caption",), seeds=1)


def other_kinds(out: Path) -> Outcome:
    """Texts, vectors, and pictures with their features; scored all together."""
    return run_able(out, "vqav2", "visdial-retrieval", "coco-fid", limit=8, settings=("coco-fid.min_samples=8",))


@pytest.fixture(scope="module", params=[one_picture, pytest.param(other_kinds, marks=pytest.mark.slow)])
def work(request: pytest.FixtureRequest) -> Work:
    parameter: Work = request.param
    return parameter


@pytest.fixture(scope="module")
def whole(work: Work, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], int]:
    """The files of an undisturbed run, and the number of changes that it makes on the disk."""
    folder = tmp_path_factory.mktemp("whole")
    assert work(folder / "first").complete  # whatever goes to the cache is there from here on
    changes = count_changes(folder / "run", lambda: work(folder / "run"))
    assert tree(folder / "run") == tree(folder / "first")
    return tree(folder / "run"), changes


def error_of(call: Callable[[], object]) -> str:
    """The message of the error that the call raises, or an empty text."""
    try:
        call()
    except (OSError, GillBenchError) as error:
        return str(error)
    return ""


MOMENTS = pytest.mark.parametrize(
    ("work", "often"),
    [
        (one_picture, 1),
        pytest.param(one_picture, 4, marks=pytest.mark.slow),
        pytest.param(other_kinds, 4, marks=pytest.mark.slow),
    ],
    indirect=["work"],
    scope="module",
)
"""Test one in 24 moments of a small run, or one in six; testing all moments takes an hour."""


def moments(work: Work, changes: int, first: int, often: int) -> range:
    return range(first, changes + 1, (24 if work is one_picture else 148) // often)


def differing(out: Path, expected: dict[str, bytes]) -> list[str]:
    """Names of files that are missing, additional or not the same; a kill may leave a temporary one, with a dot."""
    files = {name: content for name, content in tree(out).items() if not name.rpartition("/")[2].startswith(".")}
    return sorted(name for name in files.keys() | expected.keys() if files.get(name) != expected.get(name))


@MOMENTS
def test_a_kill_before_any_change_loses_nothing(
    work: Work, whole: tuple[dict[str, bytes], int], tmp_path: Path, often: int
) -> None:
    expected, changes = whole
    assert changes > 30
    for change in moments(work, changes, 1, often):
        out = tmp_path / str(change)
        assert killed_before(change, out, lambda out=out: work(out)), change  # type: ignore[misc]
        assert work(out).complete, change
        assert differing(out, expected) == [], change


@MOMENTS
def test_a_full_disk_at_any_change_loses_nothing(
    work: Work, whole: tuple[dict[str, bytes], int], tmp_path: Path, often: int
) -> None:
    expected, changes = whole
    seen = 0
    for change in moments(work, changes, 2, often):
        out = tmp_path / str(change)
        left, refused = change, False

        def full(kind: str, path: str) -> None:
            """From the chosen change on, fail all writes as a full disk does; renaming and removing still work."""
            nonlocal left, refused
            left -= 1
            if left <= 0 and kind in ("open", "fsync", "os.mkdir"):
                refused = True
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with watching(out, full):
            said = error_of(lambda out=out: work(out))  # type: ignore[misc]
        assert ("No space left on device" in said or "cannot write there" in said) == refused
        seen += refused
        assert work(out).complete, change
        assert differing(out, expected) == [], change
    assert seen >= len(moments(work, changes, 2, often)) - 2


def test_a_finished_run_in_a_folder_that_cannot_be_written_is_refused_and_can_be_read(
    work: Work, whole: tuple[dict[str, bytes], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    work(out)

    def read_only(kind: str, path: str) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with watching(out, read_only):
        with pytest.raises(Exception, match="cannot write there"):
            work(out)
        capsys.readouterr()
        for words in (["verify", str(out)], ["report", str(out), "--format", "json"]):
            assert main(words) == 0, capsys.readouterr().err
    assert tree(out) == whole[0]
