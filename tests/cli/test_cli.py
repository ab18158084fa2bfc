"""The command line: light, helpful, and with the promised exit codes and messages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gill_bench.cards.limits import MOST
from gill_bench.cli import main
from gill_bench.errors import InputError
from gill_bench.planning.request import RunRequest
from tests.support.cli import HEAVY
from tests.support.runs import CARDS


@pytest.mark.parametrize(
    "words",
    [["--help"], ["run", "--help"], ["report", "--help"], ["list"], ["show", "vist", "--json"], ["list", "models"]],
)
def test_light_commands_import_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; from gill_bench.cli import main; code = main(sys.argv[1:]);"
        f"loaded = sorted(set({HEAVY!r}) & set(sys.modules)); sys.exit(f'loaded {{loaded}}' if loaded else code)"
    )
    ended = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_the_command_without_arguments_shows_what_it_can_do(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    assert "gill-bench run vist" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["run", "report", "score", "verify", "list", "show"])
def test_every_command_explains_itself_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"gill-bench {command}" in capsys.readouterr().out.replace("Usage: gill-bench", "")


def wrong(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The message of a command that must end with exit code 2, in one to three lines, without a traceback."""
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    lines = [line for line in said.err.splitlines() if not line.startswith("embedded ")]
    assert 1 <= len(lines) <= 3
    assert lines[0].startswith("error: ")
    assert "Traceback" not in said.err
    return said.err


def test_wrong_arguments_are_answered_with_the_nearest_or_expected_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "run")]
    assert "did you mean 'vist'" in wrong(["run", "vits", *out], capsys)
    assert "did you mean 'gill'" in wrong(["run", "vist", "--models", "gil", *out], capsys)
    assert "--seeds" in wrong(["run", "vist", "--seeds", "0", *out], capsys)
    assert "--limit" in wrong(["run", "vist", "--limit", "-3", *out], capsys)
    assert "--contxt" in wrong(["run", "vist", "--contxt", "paper", *out], capsys)
    assert "unknown context '6captions'" in wrong(["run", "vist", "--contexts", "6captions", *out], capsys)
    assert "no such folder (given by --data)" in wrong(["run", "vist", "--data", "/nowhere", *out], capsys)
    assert "no such folder (given by --weights)" in wrong(["run", "vist", "--weights", "/nowhere", *out], capsys)
    assert "--device" in wrong(["run", "vist", "--device", "cuda:99", *out], capsys)
    assert "no such file" in wrong(["run", "./nowhere.toml", *out], capsys)
    assert "expected names" in wrong(["run", "vist", "--models", ",", *out], capsys)
    assert "no spec.json" in wrong(["score", str(tmp_path)], capsys)
    assert "cannot write there" in wrong(["run", "vist", "--out", "/proc/nowhere"], capsys)


def planned(capsys: pytest.CaptureFixture[str]) -> tuple[set[str], set[str]]:
    """Models and contexts of a printed plan."""
    cells = json.loads(capsys.readouterr().out)["cells"]
    return {cell["model"] for cell in cells}, {cell["context"] for cell in cells}


def test_options_that_take_a_list_add_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "vist", "--out", str(tmp_path / "run"), "--limit", "1", "--dry-run", "--json"]
    words += ["--models", "gill", "--models", "glide, stable-diffusion,gill", "--device", "cpu", "--devices", "cpu"]
    words += ["--contexts", "1-caption", "--contexts", "2-captions,1-caption"]
    assert main(words) == 0
    assert planned(capsys) == ({"gill", "glide", "stable-diffusion"}, {"1-caption", "2-captions"})
    assert "'all' stands alone" in wrong([*words, "--models", "all"], capsys)
    assert "given twice, as 1 and 2" in wrong(
        [*words, "--set", "gill.guidance_scale=1", "--set", "gill.guidance_scale=2"], capsys
    )


@pytest.mark.parametrize("option", ["seeds", "limit", "batch-size", "threads", "workers", "max-failures"])
def test_numbers_have_an_upper_limit_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    most = MOST[option.replace("-", "_")]
    for number in (str(most + 1), "1000000000000", "9" * 5000):
        said = wrong(["run", "vist", "--out", str(tmp_path / "run"), f"--{option}", number], capsys)
        assert f"--{option}" in said
        assert len(said) < 300
    assert str(most) in wrong(["run", "vist", f"--{option}", str(most + 1)], capsys)
    with pytest.raises(InputError, match=f"expected a whole number from 0 to {most}"):
        RunRequest.of(["vist"], tmp_path / "run", **{option.replace("-", "_"): most + 1})
    with pytest.raises(InputError, match="a number of more than 64 bits"):
        RunRequest.of(["vist"], tmp_path / "run", **{option.replace("-", "_"): 10**5000})


def test_a_shard_that_is_no_part_is_refused_in_a_short_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for shard in ("9" * 5000 + "/" + "9" * 5000, "1/1000001", "1/x"):
        said = wrong(["run", "vist", "--out", str(tmp_path / "run"), "--shard", shard], capsys)
        assert "expected PART/PARTS" in said
        assert len(said) < 400


def test_weights_that_are_not_there_say_what_to_download(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "vist", "--models", "gill", "--weights", str(tmp_path), "--out", str(tmp_path / "run")]
    said = wrong(words, capsys)
    assert "gill_opt" in said
    assert "https://github.com/kohjingyu/gill" in said


def test_a_dry_run_prints_the_plan_and_loads_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    words = ["run", "vist", "--models", "noisy,noisy-text", "--cards", str(CARDS), "--out", str(out), "--limit", "9"]
    assert main([*words, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [cell["samples_pending"] for cell in plan["cells"]] == [45] * 5
    assert [cell["units_pending"] for cell in plan["cells"]] == [3] * 5
    assert plan["cannot"][0]["reason"] == "noisy-text reads no images"
    assert not list(out.rglob("unit.json"))


def test_a_run_ends_with_where_its_results_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    words = [
        "run",
        "vist",
        "--models",
        "noisy",
        "--cards",
        str(CARDS),
        "--out",
        str(out),
        "--limit",
        "2",
        "--seeds",
        "1",
    ]
    assert main([*words, "--json"]) == 0
    said = capsys.readouterr()
    assert len(json.loads(said.out)["rows"]) == 6
    assert said.err.startswith("embedded data (mini)")
    assert f"tables: gill-bench report {out}" in said.err
    assert main([*words, "--seeds", "2"]) == 0  # the last of an option counts
    said = capsys.readouterr()
    assert said.out.startswith("Table 1. Contextual image generation on VIST")
    assert "Mean ± sample standard deviation over 2 seeds (0, 1)." in said.out
    assert said.out.count("Signature ") == 2
    assert "|" not in said.out


def test_an_incomplete_run_ends_with_4(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOISY_FAIL_ON", "went to the")
    words = ["run", "vist", "--models", "noisy", "--cards", str(CARDS), "--out", str(tmp_path / "run"), "--limit", "4"]
    assert main([*words, "--seeds", "1", "--contexts", "1-caption"]) == 4
    said = capsys.readouterr().err
    assert "RuntimeError: the planted failure" in said
    assert "the same command tries them again" in said


def test_an_unforeseen_error_is_one_message_unless_debug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise KeyError("surprise")

    monkeypatch.setattr("gill_bench.cards.find.builtin_folder", broken)
    assert main(["list"]) == 1
    assert "unexpected KeyError: 'surprise'" in capsys.readouterr().err
    assert main(["list", "--debug"]) == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "in broken" in said
    assert "unexpected KeyError: 'surprise'" in said


def test_a_model_card_can_be_named_by_its_path(tmp_path: Path) -> None:
    card = (CARDS / "noisy.toml").read_text().replace('"noisy"', '"mine"').replace("noisy.py", "mine.py")
    (tmp_path / "mine.toml").write_text(card)
    (tmp_path / "mine.py").write_text((CARDS / "noisy.py").read_text())
    words = ["run", "vist", "--models", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "run"), "--limit", "1"]
    assert main([*words, "--seeds", "1", "--contexts", "1-caption"]) == 0
    assert (tmp_path / "run" / "units" / "vist" / "mine").is_dir()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_folder_without_write_permission_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    assert "cannot write there" in wrong(["run", "vist", "--out", str(tmp_path / "locked" / "run")], capsys)


def test_an_interruption_is_not_lost_where_none_can_be_raised() -> None:
    """For example, no exception can be raised while a generator that nobody uses any more is closed."""
    code = """
import signal, time
from gill_bench.cli import _end_at_the_second_interruption

def reading():
    try:
        yield
    finally:
        signal.raise_signal(signal.SIGINT)

_end_at_the_second_interruption(["run", "vist"])
try:
    unwanted = reading()
    next(unwanted)
    del unwanted
    time.sleep(30)
except KeyboardInterrupt:
    print("interrupted")
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "interrupted\n", "")
