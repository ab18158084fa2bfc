"""`gill-bench view` from its start to Ctrl-C."""

from __future__ import annotations

import signal
import urllib.request
from pathlib import Path

import pytest

from gill_bench.cli import main
from tests.support.cli import start_command
from tests.support.runs import half


@pytest.mark.enable_socket
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_view_serves_until_it_is_stopped_and_leaves_nothing(tmp_path: Path, sent: signal.Signals) -> None:
    run, temporary = half(tmp_path / "run"), tmp_path / "temporary"
    temporary.mkdir()
    command = start_command("view", run, TMPDIR=str(temporary))
    assert command.stdout is not None
    address = command.stdout.readline().strip()
    with urllib.request.urlopen(address, timeout=600) as answer:
        assert b"gill-bench" in answer.read()
    assert len(list(temporary.glob("gill-bench-view-*"))) == 1
    command.send_signal(sent)
    out, err = command.communicate()
    assert (command.returncode, out) == (0, "")
    assert err.splitlines()[-1] == "stopped"
    assert "Traceback" not in err
    assert not list(temporary.iterdir())
    assert {file.name for file in run.iterdir()} == {".lock", "env.json", "experiment.toml", "spec.json", "units"}


def test_view_of_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", str(tmp_path / "nothing")]) == 2
    assert main(["view", str(tmp_path)]) == 2
    assert "this is not the folder of a run" in capsys.readouterr().err
    assert main(["view", str(tmp_path), "--data", "s3://bucket/data"]) == 2
