"""A run says what it does, and nothing else: no warning of Python or of a library, at its end or before."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from gill_bench.cli import main
from gill_bench.cli.screen import screen
from gill_bench.reporting.screen import Screen
from tests.support.cli import run_command
from tests.support.runs import CARDS
from tests.support.stories import small_vist

NOISE = re.compile(r"warning|deprecat|leaked|not expected|\[transformers\]|\[diffusers\]|Traceback", re.IGNORECASE)
COLOUR = {"TERM": "xterm", "FORCE_COLOR": "", "COLUMNS": "80"}


@pytest.mark.slow
def test_every_task_and_every_embedded_model_runs_without_a_warning(tmp_path: Path) -> None:
    words: list[str | Path] = [
        "run",
        "all",
        "--limit",
        "2",
        "--seeds",
        "1",
        "--workers",
        "2",
        "--out",
        tmp_path / "run",
    ]
    ended = run_command(*words, **COLOUR)
    assert ended.returncode == 0, ended.stderr
    assert [line for line in ended.stderr.splitlines() if NOISE.search(line)] == []
    assert ended.stdout.count("Examples scored per seed") >= 7  # the main tables
    for command in (["report"], ["report", "--html"], ["score"], ["verify"]):
        after = run_command(command[0], tmp_path / "run", *command[1:], **COLOUR)
        assert after.returncode == 0, after.stderr
        assert [line for line in after.stderr.splitlines() if NOISE.search(line)] == []


# Most of the time goes into importing the libraries of networks, where there are any.
@pytest.mark.parametrize(
    ("words", "title"),
    [
        (("visdial-answers", "--models", "able", "--cards", str(CARDS)), "VisDial extras."),
        pytest.param(
            ("vist", "--models", "gill", "--contexts", "1-caption", "--set", "gill.num_inference_steps=4"),
            "Table 1.",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["without networks", "with networks"],
)
def test_what_is_printed_fits_a_terminal_of_80_columns_and_has_no_escapes_in_a_pipe(
    tmp_path: Path, words: tuple[str, ...], title: str
) -> None:
    ended = run_command(
        "run", *words, "--limit", "2", "--seeds", "1", "--workers", "1", "--out", tmp_path / "run", **COLOUR
    )
    assert ended.returncode == 0, ended.stderr
    assert [line for line in ended.stderr.splitlines() if NOISE.search(line)] == []
    assert ended.stdout.startswith(title)
    assert "\x1b" not in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 80


@pytest.mark.parametrize(("variables", "color"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_a_terminal_has_bold_and_dim_unless_they_are_switched_off(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], color: bool
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for name, value in {"TERM": "xterm", "NO_COLOR": "", "COLUMNS": "93", **variables}.items():
        monkeypatch.setenv(name, value)
    assert screen() == Screen(93, color, False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    assert screen(notes=True) == Screen(93, False, True)


def test_a_quiet_command_prints_results_and_errors_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "vist", "--models", "gill", "--limit", "1", "--dry-run", "--json", "--out", str(tmp_path / "run")]
    assert main([*words, "--quiet"]) == 0
    said = capsys.readouterr()
    assert '"cells"' in said.out
    assert said.err == ""
    assert main(["--quiet", "run", "vsit", "--out", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err.startswith("error: no task named 'vsit'")
    assert main(words) == 0
    assert "run directory: " in capsys.readouterr().err  # said again in the next command


def test_a_verbose_command_says_each_step_and_only_that_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "vist", "--models", "noisy", "--cards", str(CARDS), "--data", str(small_vist()), "--split", "test"]
    words += ["--contexts", "1-caption", "--limit", "2", "--seeds", "1", "--out", str(tmp_path / "run")]
    before = logging.getLogger().level, logging.getLogger("gill_bench").level
    assert main([*words, "--verbose"]) == 0
    said = capsys.readouterr().err
    steps = [
        rf"vist: reading split test of sis in {re.escape(str(small_vist()))}",
        r"vist/noisy/1-caption: unit \w{16}: 2 samples are handed to a worker",
        r"noisy: loading on cpu",
        r"vist/noisy/1-caption: unit \w{16}: 2 samples stored",
        r"vist: scoring 1 cells with clip-similarity\[mini\], lpips\[mini\]",
        r"SHA-256 of the files that count",
    ]
    for step in steps:
        assert re.search(rf"^\d\d:\d\d:\d\d .*{step}", said, re.MULTILINE), step
    assert main([*words, "--dry-run"]) == 0
    assert not re.search(r"^\d\d:\d\d:\d\d ", capsys.readouterr().err, re.MULTILINE)
    assert (logging.getLogger().level, logging.getLogger("gill_bench").level) == before


def test_a_verbose_plan_says_where_the_weights_of_each_model_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "vist", "--models", "gill", "--limit", "1", "--dry-run", "--out", str(tmp_path / "run")]
    assert main(["--verbose", *words]) == 0
    said = capsys.readouterr().err
    for component, folder in {"llm": "opt-mini", "image_decoder": "sd-mini"}.items():
        assert re.search(rf" gill: weights of {component}: .*{folder}$", said, re.MULTILINE)
    assert re.search(r"opt-mini: SHA-256 of the files that count$", said, re.MULTILINE)


def test_quiet_and_verbose_together_are_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--quiet", "--verbose"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: --quiet prints less and --verbose more")
