"""Wrong paths: every command says in one to three lines what the path is, what was expected, and what to do."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gill_bench.api import load_run
from gill_bench.cli import main
from gill_bench.cli.unforeseen import explain
from gill_bench.errors import GillBenchError, InputError, command, memory_ran_out
from gill_bench.storage.files import folder_of
from tests.support.runs import run, run_request


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small finished run, which no test changes."""
    out = tmp_path_factory.mktemp("paths") / "my 'run'"
    run(out, limit=2, seeds=1, contexts=("1-caption",))
    return out


@pytest.fixture
def current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Path) -> Iterator[Path]:
    """A current folder with a file, an empty folder and an unfinished run."""
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("no run")
    Path("empty").mkdir()
    Path("not scored").mkdir()
    for name in ("spec.json", "env.json"):
        (Path("not scored") / name).write_bytes((whole / name).read_bytes())
    yield tmp_path
    left = {path.name for path in tmp_path.iterdir()}
    assert not {"s3:", "s3:x"} & left


def said(words: list[str], capsys: pytest.CaptureFixture[str], code: int = 2) -> str:
    """The message of a command that must fail, in at most three lines and without blaming gill-bench."""
    assert main(words) == code
    captured = capsys.readouterr().err
    lines = captured[captured.index("error: ") :].splitlines()
    assert 1 <= len(lines) <= 3, lines
    assert "Traceback" not in captured
    assert "defect" not in captured
    return "\n".join(lines)


@pytest.mark.parametrize(
    "words",
    [
        ["report", "RUN"],
        ["report", "RUN", "--html"],
        ["compare", "RUN", "RUN"],
        ["check", "RUN", "--against", "golden.json"],
        ["track", "RUN", "--to", "tensorboard=logs"],
    ],
)
def test_commands_that_read_results_name_a_folder_that_is_no_scored_run(
    words: list[str], current_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def message(run: str) -> str:
        return said([word.replace("RUN", run) for word in words], capsys)

    assert "not scored yet" in message("not scored")
    assert message("not scored").endswith("or score what is there: gill-bench score 'not scored'")
    assert "file: a file; expected the folder of a run" in message("file")
    assert "empty: no spec.json; this is not the folder of a run" in message("empty")
    assert "nowhere: no such folder; expected the folder of a run" in message("nowhere")
    assert "runs below it: not scored" in message(".")


@pytest.mark.parametrize("name", ["score", "verify"])
def test_commands_that_read_units_name_a_folder_that_is_no_run(
    name: str, current_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "file: a file; expected the folder of a run" in said([name, "file"], capsys)
    assert "empty: no spec.json; this is not the folder of a run" in said([name, "empty"], capsys)
    assert "nowhere: no such folder" in said([name, "nowhere"], capsys)


def test_loading_in_python_names_a_run_that_is_not_scored(current_folder: Path) -> None:
    with pytest.raises(InputError, match=r"^not scored: not scored yet; .* gill-bench score 'not scored'$"):
        load_run("not scored")


def test_golden_files_that_cannot_be_read_or_written_are_named(
    current_folder: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check = ["check", str(whole), "--against"]
    absent = said([*check, "a golden.json"], capsys)
    assert absent.endswith(f"write it with: {command(*check, 'a golden.json', '--update')}")
    assert "empty: cannot be read (Is a directory); expected a golden file" in said([*check, "empty"], capsys)
    assert "empty: cannot be written (Is a directory)" in said([*check, "empty", "--update"], capsys)
    assert "file/golden.json: cannot be written" in said([*check, "file/golden.json", "--update"], capsys)


def test_outputs_that_cannot_be_written_are_named(
    current_folder: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = ["report", str(whole)]
    assert "--pictures empty: cannot be written (Is a directory)" in said([*report, "--pictures", "empty"], capsys)
    assert "empty" in said([*report, "--out", "empty", "--format", "csv"], capsys)
    assert "file: cannot write a page there" in said([*report, "--html=file"], capsys)
    assert "--work file: cannot be made" in said(["mini", "train", "--work", "file"], capsys)


@pytest.mark.parametrize(
    "words",
    [
        ["run", "vist", "--data", "s3://bucket/data"],
        ["run", "vist", "--weights", "s3://bucket/weights"],
        ["run", "vist", "--metric-weights", "s3://bucket/weights"],
        ["data", "check", "vist", "--data", "s3://bucket"],
        ["doctor", "gill", "--weights", "s3://bucket/weights"],
        ["report", "RUN", "--out", "s3://bucket/table.csv"],
        ["report", "RUN", "--pictures", "s3://bucket/grid.png"],
        ["report", "RUN", "--html=s3://bucket/page"],
        ["check", "RUN", "--against", "s3://bucket/golden.json", "--update"],
        ["mini", "write", "s3://bucket/world"],
        ["mini", "train", "--work", "s3://bucket/work"],
        ["convert-embeddings", "file", "--out", "s3://bucket/out"],
        ["embed", "gill", "--images", "s3://bucket/pictures", "--out", "out"],
        ["embed", "gill", "--images", "pictures", "--out", "s3://bucket/out"],
        ["train", "--data", "s3://bucket/d", "--llm", "a", "--visual-encoder", "b", "--out", "out"],
    ],
)
def test_only_a_run_directory_may_be_in_an_object_store(
    words: list[str], current_folder: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = said([word.replace("RUN", str(whole)) for word in words], capsys)
    assert "s3://...: must be on this machine" in message


@pytest.mark.parametrize("out", ["s3://", "s3:", "s3:x", "S3:x", "gs://"])
def test_half_a_url_is_no_folder(out: str, current_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "://BUCKET/FOLDER" in said(["run", "vist", "--out", out], capsys)
    assert "://BUCKET/FOLDER" in said(["report", out], capsys)
    assert folder_of("./s3:x") == Path("s3:x")


def test_a_cache_must_be_on_this_machine(current_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gill_bench.storage.cache import cache_folder

    monkeypatch.setenv("GILL_BENCH_CACHE", "s3://bucket/cache")
    with pytest.raises(InputError, match=r"^GILL_BENCH_CACHE s3://\.\.\.: must be on this machine"):
        cache_folder()
    monkeypatch.setenv("GILL_BENCH_CACHE", "file")
    with pytest.raises(InputError, match="file: cannot make the cache folder"):
        cache_folder()


def test_names_that_are_not_utf_8_are_refused(current_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"caf\xe9")
    for words in (["run", "vist", "--out", name], ["run", "vist", "--data", name], ["report", name], ["show", name]):
        assert r"argument caf\xe9: not UTF-8 at character 4" in said(words, capsys)
    with pytest.raises(InputError, match=r"--out .*not UTF-8"):
        run(Path(name))
    with pytest.raises(InputError, match=r"--data .*not UTF-8"):
        run(Path("out"), data=name)
    message, code = explain(UnicodeEncodeError("utf-8", f"images/{name}.jpg", 10, 11, "surrogates not allowed"))
    assert code == 2
    assert message.splitlines()[0] == r"the name of a file or folder is not UTF-8: images/caf\udce9.jpg"


@pytest.mark.parametrize(
    "name", ["plain", "a b", "a'b", 'a"b$c`d', "a\nb", "a\tb\\'", os.fsdecode(b"\xff\xc3"), "é", "*", ""]
)
def test_a_command_can_be_pasted_into_a_shell(name: str) -> None:
    line = command("report", name)
    assert "\n" not in line
    printed = subprocess.run(
        ["bash", "-c", f'gill-bench() {{ printf "%s|" "$@"; }}; {os.fsdecode(os.fsencode(line))}'], capture_output=True
    )
    assert printed.stdout == b"report|" + os.fsencode(name) + b"|"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 8.00 GiB for an array with shape (1, 2)"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] data. DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB\nand a second line"),
        RuntimeError("can't start new thread"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    ],
)
def test_memory_that_ran_out_is_no_defect(error: Exception) -> None:
    message, code = explain(error)
    assert code == 1
    assert message.startswith("out of memory (")
    assert len(message.splitlines()) == 2
    wrapped = GillBenchError("could not be loaded")
    wrapped.__cause__ = error
    assert memory_ran_out(wrapped) == memory_ran_out(error)


def test_other_errors_are_not_blamed_on_memory() -> None:
    assert memory_ran_out(RuntimeError("shapes differ")) == ""
    assert memory_ran_out(KeyError("out of memory")) == ""
    assert "this is a defect" in explain(KeyError("x"))[0]
    assert run_request(Path("run")).locks
