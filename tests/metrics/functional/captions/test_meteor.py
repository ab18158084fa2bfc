"""The METEOR process: its values, its end, and that nothing makes it wait for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from gill_bench.errors import GillBenchError
from gill_bench.metrics.functional.captions import meteor as module
from gill_bench.metrics.functional.captions.meteor import Meteor, shared_meteor
from tests.support.captions import write_java

HYPOTHESES = ["a cat sits on the mat", "two dogs run", "", "zebra"]
REFERENCES = [["a cat sat on a mat", "the cat is on the mat"], ["two puppies running"], ["a b"], ["a man on a horse"]]


@pytest.fixture
def running(java: str) -> Meteor:
    return shared_meteor()


def pid(meteor: Meteor) -> int:
    assert meteor._process is not None
    return meteor._process.pid


def ends(process: int) -> bool:
    for _ in range(6000):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A `java` whose script each test writes."""
    script = write_java(tmp_path / "bin", "")
    monkeypatch.setattr(module, "require_java", lambda: str(script))
    return script


ORIGINAL = (0.17501319827412914, [0.48217596646230304, 0.05714285714285714, 0.0, 0.0])
"""What pycocoevalcap 1.2 gives for these: one value for all, and one for each."""


def test_meteor_has_the_values_of_pycocoevalcap(running: Meteor) -> None:
    assert running.score(HYPOTHESES, REFERENCES) == ORIGINAL


@pytest.mark.slow
def test_meteor_has_the_values_that_pycocoevalcap_gives_now(running: Meteor, original_meteor: Any) -> None:
    scores = running.score(HYPOTHESES, REFERENCES)
    original_scores = original_meteor.compute_score(
        dict(enumerate(REFERENCES)), {index: [text] for index, text in enumerate(HYPOTHESES)}
    )
    assert scores == original_scores == ORIGINAL


def test_characters_that_would_break_the_protocol_change_no_score(running: Meteor) -> None:
    clean = running.score(["a b"], [["a cat", "a b"]])
    for sign in ["\n", "\r", "\r\n", "\u2028", "\v", "\f", "\x85", " ||| ", " ||||||", "\ud83d "]:
        assert running.score([f"a{sign}b"], [["a cat", "a b"]]) == clean
        assert running.score(["a b"], [["a cat", f"a{sign}b"]]) == clean
        assert running.score([f"{sign}a b{sign}"], [[f"{sign}a cat", f"a b{sign}"]]) == clean


def test_more_text_than_a_pipe_holds_is_scored(running: Meteor) -> None:
    long = " ".join(f"w{number}" for number in range(300))
    _, each = running.score([long] * 300, [[long, "x"]] * 300)
    assert each == [pytest.approx(1, abs=1e-6)] * 300


def test_threads_that_share_a_meteor_process_take_turns(running: Meteor) -> None:
    scores: dict[int, tuple[float, list[float]]] = {}

    def score(thread: int) -> None:
        scores[thread] = running.score(HYPOTHESES[thread:] * 20, REFERENCES[thread:] * 20)

    threads = [threading.Thread(target=score, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scores == {start: running.score(HYPOTHESES[start:] * 20, REFERENCES[start:] * 20) for start in range(3)}


@pytest.mark.slow
def test_a_killed_meteor_process_is_an_error_and_the_next_call_starts_another(running: Meteor) -> None:
    before = running.score(HYPOTHESES, REFERENCES)
    os.kill(pid(running), signal.SIGKILL)
    with pytest.raises(GillBenchError, match=r"METEOR's Java process has ended, exit code -9"):
        running.score(HYPOTHESES, REFERENCES)
    assert running.score(HYPOTHESES, REFERENCES) == before


@pytest.mark.slow
def test_a_locale_with_decimal_commas_changes_nothing(monkeypatch: pytest.MonkeyPatch, running: Meteor) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Duser.language=de -Duser.country=DE")
    with Meteor() as german:
        assert german.score(HYPOTHESES, REFERENCES) == running.score(HYPOTHESES, REFERENCES)


def test_a_meteor_process_that_does_not_answer_is_stopped(fake: Path) -> None:
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    meteor = Meteor(seconds_to_answer=0.2)
    meteor.start()
    process = pid(meteor)
    # More than a pipe holds: the writing is stuck too.
    with pytest.raises(GillBenchError, match=r"has not answered for 0\.2 s, and was stopped"):
        meteor.score(["word " * 100_000], [["a"]])
    assert ends(process)


def test_a_meteor_process_that_fails_at_once_is_an_error_with_its_message(fake: Path) -> None:
    fake.write_text("#!/bin/sh\necho 'Could not reserve enough space' >&2; exit 1\n")
    meteor = Meteor()
    for _ in range(2):
        with pytest.raises(GillBenchError, match="exit code 1: Could not reserve enough space; try again"):
            meteor.score(["a"], [["a"]])


@pytest.mark.parametrize("answers", ["Error: specify SCORE or EVAL or SING", "1.0 2.0\n0,5\n0,5"])
def test_answers_of_meteor_that_are_no_numbers_are_an_error(fake: Path, answers: str) -> None:
    fake.write_text(f"#!/bin/sh\necho '{answers}'\nexec sleep 60\n")
    meteor = Meteor()
    with pytest.raises(GillBenchError, match=r"METEOR answered .* instead of"):
        meteor.score(["a"], [["a"]])
    assert meteor._process is None


def test_a_meteor_process_ends_with_close_and_with_the_block(fake: Path) -> None:
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    with Meteor() as meteor:
        meteor.close()  # nothing to end yet
        meteor.start()
        process = pid(meteor)
        meteor.start()
        assert pid(meteor) == process
    assert ends(process)


@pytest.mark.parametrize("end", ["pass", "raise SystemExit(3)", "raise RuntimeError('x')"])
def test_a_meteor_process_ends_with_python(fake: Path, end: str) -> None:
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    program = (
        "from gill_bench.metrics.functional.captions import meteor\n"
        f"meteor.require_java = lambda: {str(fake)!r}\n"
        "meteor.shared_meteor().start()\n"
        f"print(meteor.shared_meteor()._process.pid, flush=True)\n{end}\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert ends(int(done.stdout))


def test_a_forked_child_leaves_its_parents_meteor_process_alone(fake: Path) -> None:
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    program = (
        "import os, sys\n"
        "from gill_bench.metrics.functional.captions import meteor\n"
        f"meteor.require_java = lambda: {str(fake)!r}\n"
        "of_parent = meteor.shared_meteor(); of_parent.start()\n"
        "if os.fork() == 0:\n"
        "    assert meteor.shared_meteor() is not of_parent\n"
        "    sys.exit(0)\n"
        "assert os.wait()[1] == 0\n"
        "assert of_parent._process.poll() is None\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_a_python_process_has_one_meteor_process() -> None:
    assert shared_meteor() is shared_meteor()
