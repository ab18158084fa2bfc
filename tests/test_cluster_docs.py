"""The commands of docs/cluster.md work as printed, with a small run in place of the large one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gill_bench.cli import main
from tests.conftest import ROOT
from tests.support.runs import results

TEXT = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
BASH = re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
SMALL = "--models able --limit 40 --threads 1"  # of a task that is scored without any network


def block(text: str) -> str:
    (script,) = [candidate for candidate in BASH if text in candidate]
    return str(script)


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """An environment in which `gill-bench` runs a small task, and `pip` and `ray` only print their arguments.

    Where WORDS names a file, `gill-bench` writes its arguments into it, one a line, and does nothing.
    """
    folder = tmp_path / "bin"
    folder.mkdir()
    scripts = {
        # A cluster on this machine stands for the one at the address, and the CPU for GPUs.
        "gill-bench": f"""
            words=()
            while [ $# -gt 0 ]; do
              case "$1" in
                --address) shift 2; continue ;;
                vist) words+=(visdial-answers) ;;
                cuda:*) words+=("${{1//cuda:[0-9]/cpu}}") ;;
                *) words+=("$1") ;;
              esac
              shift
            done
            [ "${{words[0]}}" = run ] && words+=({SMALL} --cards {ROOT / "tests" / "cards"})
            [ -n "${{WORDS:-}}" ] && printf '%s\\n' "${{words[@]}}" >"$WORDS" && exit
            exec {sys.executable} -m gill_bench "${{words[@]}}"
        """,
        "pip": 'echo "pip $*"',
        "ray": 'echo "ray $*"',
    }
    for name, script in scripts.items():
        file = folder / name
        file.write_text("#!/bin/bash\n" + script, encoding="utf-8")
        file.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "DATA": "mini",
        "WEIGHTS": "mini",
        "HEAD": "10.0.0.1",
        "RUN": str(tmp_path / "run"),
    }


def bash(script: str, machine: dict[str, str], **more: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["bash", "-c", script],
        env=machine | more,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(machine["RUN"]).parent,
    )
    assert done.returncode == 0, done.stderr
    return done


def run_here(script: str, machine: dict[str, str], **more: str) -> None:
    """Let bash read a script with one command, and run the command as bash has read it in this process."""
    words = Path(machine["RUN"]).parent / "words"
    bash(script, machine, WORDS=str(words), **more)
    assert main(words.read_text(encoding="utf-8").splitlines()) == 0
    words.unlink()


def whole(machine: dict[str, str]) -> bool:
    rows = results(Path(machine["RUN"]))["rows"]
    return max(row["n_scored"] for row in rows) == 40 and not any(row["n_failed"] for row in rows)


def test_every_example_is_run_here() -> None:
    assert len(BASH) == 4
    assert len(re.findall(r"```yaml\n", TEXT)) == 1


@pytest.mark.slow
def test_the_command_for_several_devices_works_as_printed(machine: dict[str, str]) -> None:
    done = bash(block("--devices cuda:0,cuda:1"), machine)
    assert "able: loading on worker 2 (cpu)" in done.stderr  # it is given jobs before the first has done any
    assert whole(machine)


@pytest.mark.slow
def test_the_commands_for_ray_work_as_printed(machine: dict[str, str]) -> None:
    done = bash(block("--engine ray"), machine)
    assert "ray start --address 10.0.0.1:6379" in done.stdout
    assert re.search(r"able: loading on worker \d+ \(", done.stderr)  # the first that Ray places may do everything
    assert whole(machine)


def test_the_script_for_slurm_works_as_printed(machine: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    script = block("SLURM_ARRAY_TASK_ID")
    assert re.search(r"#SBATCH --array=1-(\d+)", script)
    run_here(script, machine, SLURM_ARRAY_TASK_ID="1", SLURM_ARRAY_TASK_COUNT="2")
    assert "part 1 of 2: done; 20 outputs of the whole run are left." in capsys.readouterr().err
    assert not Path(machine["RUN"], "results.json").exists()
    run_here(script, machine, SLURM_ARRAY_TASK_ID="2", SLURM_ARRAY_TASK_COUNT="2")
    assert whole(machine)
    Path(machine["RUN"], "results.json").unlink()
    run_here(block("gill-bench score"), machine)
    assert whole(machine)


def test_the_job_for_kubernetes_works_as_printed(machine: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    job: dict[str, Any] = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[0])
    spec = job["spec"]
    assert spec["completionMode"] == "Indexed"
    (container,) = spec["template"]["spec"]["containers"]
    (script,) = container["args"]
    assert container["command"] == ["bash", "-c"]
    assert f"/{spec['completions']}" in script
    assert {entry["name"] for entry in container["env"]} == {"DATA", "WEIGHTS", "RUN"}
    run_here(script, machine, JOB_COMPLETION_INDEX=str(spec["completions"] - 1))
    assert "part 16 of 16: done; 40 outputs of the whole run are left." in capsys.readouterr().err
