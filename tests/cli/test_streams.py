"""stdin, stdout and stderr as people leave them: closed, a pipe that nobody reads, a full disk."""

from __future__ import annotations

import contextlib
import io
import shlex
import subprocess
from pathlib import Path

import pytest

from gill_bench.cli.streams import emit
from tests.support.cli import COMMAND

FULL = Path("/dev/full")
LIST = "list"


def shell(words: str, redirection: str) -> subprocess.CompletedProcess[str]:
    """Run `gill-bench WORDS` with a redirection, in a shell that ends with the command's own exit code."""
    script = f"{shlex.join(COMMAND)} {words} {redirection}; exit ${{PIPESTATUS[0]}}"
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("words", [LIST, pytest.param("--help", marks=pytest.mark.slow), "show vist --json"])
def test_a_reader_that_has_had_enough_is_no_failure(words: str) -> None:
    ended = shell(words, "| head -1")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(ended.stdout.splitlines()) == 1


@pytest.mark.skipif(not FULL.exists(), reason="/dev/full: only Linux has it")
@pytest.mark.parametrize(
    ("words", "code"), [(LIST, 1), pytest.param("--help", 1, marks=pytest.mark.slow), ("show nothing", 2)]
)
def test_a_full_disk_under_stdout_is_named_once(words: str, code: int) -> None:
    ended = shell(words, "> /dev/full")
    assert ended.returncode == code
    lines = ended.stderr.splitlines()
    assert 1 <= len(lines) <= 3
    assert lines[0].startswith("error: ")
    assert code == 2 or "No space left on device" in lines[0]


def test_a_closed_stdout_is_an_error_of_commands_that_print_a_result() -> None:
    ended = shell(LIST, ">&-")
    assert ended.returncode == 1
    assert ended.stderr == "error: stdout is closed: the result cannot be printed\n"


@pytest.mark.parametrize(
    "redirection",
    [
        "2>&-",
        pytest.param("2>/dev/full", marks=pytest.mark.slow),
        pytest.param("<&-", marks=pytest.mark.slow),
        "2>&- <&-",
    ],
)
def test_messages_that_cannot_be_printed_change_no_exit_code(redirection: str) -> None:
    if "full" in redirection and not FULL.exists():
        pytest.skip("/dev/full: only Linux has it")
    ended = shell(LIST, redirection)
    assert ended.returncode == 0
    assert "vist" in ended.stdout
    assert shell("show nothing", redirection).returncode == 2


def test_no_file_of_a_run_gets_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    """A write to stdout would otherwise land in whatever file the command opens first."""
    code = (
        "import os; from gill_bench.cli import streams; streams.prepare()\n"
        "print(os.open('/', 0) > 2, file=open('said', 'w'))"
    )
    python = shlex.join([COMMAND[0], "-c", code])
    done = subprocess.run(["bash", "-c", f"{python} <&- >&- 2>&-"], cwd=tmp_path, timeout=300)
    assert done.returncode == 0
    assert (tmp_path / "said").read_text() == "True\n"


def test_tables_are_printed_into_a_stream_of_texts() -> None:
    """Python's `redirect_stdout` into a `StringIO`, as in a notebook or a script; it takes no bytes."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        emit("CLIP similarity ↑\n".encode(), nl=False)
    assert printed.getvalue() == "CLIP similarity ↑\n"
