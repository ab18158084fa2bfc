"""Servers that ask clients to wait, and users' models that call such servers: no answer is requested twice."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gill_bench.generation import waiting
from gill_bench.generation.waiting import Patience
from gill_bench.interfaces import TryLater, UnavailableError
from tests.support import able
from tests.support.runs import results, tree

ASKER = """
from pathlib import Path
from threading import Lock
from time import sleep
from gill_bench.interfaces import RefusedError, TryLater, UnavailableError

class Asker:
    execution_only = ("log", "fails", "kind", "at_once")

    def __init__(self, log="", fails=0, kind="", at_once=0):
        self.log, self.fails, self.kind, self.at_once = Path(log), fails, kind, at_once
        self.counting = Lock()  # so that no two calls count to the same number, and none is left out

    def generate_texts(self, prompts, max_new_tokens, stop=()):
        with self.counting:
            with self.log.open("a") as log:
                log.write("call\\\\n")
            calls = self.log.read_text().count("call")
        if self.kind and calls == self.fails:
            raise {"later": TryLater(0.001), "gone": UnavailableError("gone"), "error": OSError("no"),
                   "refused": RefusedError("no")}[self.kind]
        while self.kind == "gone" and calls > self.fails and not self.log.with_name("stopped").exists():
            sleep(0.01)  # so that the error is known before these threads could have made all the calls
        with self.log.open("a") as log:
            log.writelines(f"paid {prompt.text!r}\\\\n" for prompt in prompts)
        return [f"{len(prompt.text)} letters" for prompt in prompts]
""".replace("\\\\", "\\")


class AskerFolder:
    """The model's folder, and the requests that the model got."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "asker.py").write_text(ASKER)

    def run(self, name: str, log: str, *settings: str) -> Any:
        file = self.folder / log
        given = tuple(f"Asker.{text}" for text in (f"log={file}", *settings))
        model = f"{self.folder}/asker.py:Asker"
        return able.run(self.folder / name, "vqav2", models=(model,), limit=12, settings=given, batch_size=4)

    def paid(self, *logs: str) -> list[str]:
        return sorted(line for log in logs for line in (self.folder / log).read_text().splitlines() if "paid" in line)


def numbers(out: Path) -> list[dict[str, Any]]:
    """The rows of a run, but for how many prompts its calls had."""
    return [{name: value for name, value in row.items() if name != "batch_size"} for row in results(out)["rows"]]


@pytest.fixture
def asker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AskerFolder:
    monkeypatch.setattr(waiting, "FIRST_PAUSE", 0.001)
    return AskerFolder(tmp_path)


@pytest.mark.parametrize("at_once", [0, 3])
def test_outputs_of_a_unit_are_kept_whatever_a_later_call_raises(
    asker: AskerFolder, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asker.run("whole", "whole.log", f"at_once={at_once}").complete
    assert asker.run("later", "later.log", "fails=3", "kind=later", f"at_once={at_once}").complete
    shutdown = ThreadPoolExecutor.shutdown

    def no_more_calls(pool: ThreadPoolExecutor, *arguments: Any, **options: Any) -> None:
        if pool._thread_name_prefix == "gill-bench-call":
            (asker.folder / "stopped").touch()
        shutdown(pool, *arguments, **options)

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", no_more_calls)
    with pytest.raises(UnavailableError, match="asker: gone"):
        asker.run("gone", "before.log", "fails=3", "kind=gone", f"at_once={at_once}")
    kept = list((asker.folder / "gone").rglob("kept/*/unit.json"))
    assert len(kept) == len(asker.paid("before.log"))
    assert 2 <= len(kept) <= 8
    assert asker.run("gone", "after.log", f"at_once={at_once}").complete
    whole = asker.paid("whole.log")
    assert len(whole) == 12
    assert asker.paid("later.log") == asker.paid("before.log", "after.log") == whole
    assert tree(asker.folder / "later") == tree(asker.folder / "gone") == tree(asker.folder / "whole")


@pytest.mark.parametrize("kind", ["error", "refused"])
def test_examples_that_worked_are_not_asked_again_one_by_one(asker: AskerFolder, kind: str) -> None:
    outcome = asker.run("run", "log", "fails=2", f"kind={kind}")
    assert outcome.complete  # the call of four failed, and none of its prompts by itself
    assert len(asker.paid("log")) == 12
    asker.run("whole", "whole.log")
    assert numbers(asker.folder / "run") == numbers(asker.folder / "whole")
    assert asker.paid("log") == asker.paid("whole.log")
    outcome = asker.run("single", "single.log", "fails=2", f"kind={kind}", "at_once=1")
    counted = {(row.n_failed, row.n_refused) for row in outcome.results.rows if row.n_expected == 12}
    assert counted == {(1, 0) if kind == "error" else (0, 1)}
    assert len(asker.paid("single.log")) == 11
    assert asker.run("single", "again.log").complete
    assert len(asker.paid("again.log")) == 1
    assert numbers(asker.folder / "single") == numbers(asker.folder / "whole")


def test_kept_outputs_that_are_damaged_are_requested_again(
    asker: AskerFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnavailableError):
        asker.run("run", "before.log", "fails=3", "kind=gone")
    first, second, *_ = sorted((asker.folder / "run").rglob("kept/*/samples.jsonl"))
    first.write_text(first.read_text().replace("letters", "numbers"))
    (second.parent / "unit.json").unlink()
    assert asker.run("run", "after.log").complete
    assert f"{first.parent}: what was kept there is damaged" in capsys.readouterr().err
    assert len(asker.paid("before.log", "after.log")) == 12 + 2
    assert "numbers" not in "".join(file.read_text() for file in (asker.folder / "run").rglob("samples.jsonl"))


def test_a_call_waits_as_long_as_the_server_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    now, waits = [100.0], []

    def sleep(seconds: float) -> None:
        waits.append(round(seconds, 3))
        now[0] += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    errors = iter([TryLater(7), TryLater(), TryLater(0.25), TryLater(-3), TryLater(float("nan"))])

    def ask() -> str:
        for error in errors:
            raise error
        return "an answer"

    assert Patience().call(ask) == "an answer"
    assert waits == [7, 0.2, 0.4, 0.8, 1.6]  # and none of 0 s before the first call


@pytest.mark.parametrize("seconds", [3601, float("inf"), 0])
def test_waiting_ends_with_an_error_after_an_hour(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def ask() -> None:
        raise TryLater(seconds, "answered 429: slow down")

    with pytest.raises(UnavailableError, match=r"answered 429: slow down.*3600 s at most\n.*the same command goes on"):
        Patience().call(ask)
    assert now[0] <= 3600


def test_a_wait_that_one_call_is_asked_for_holds_for_all_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    patience, refused = Patience(), threading.Event()
    started: list[float] = []

    def first() -> None:
        if not refused.is_set():
            refused.set()
            raise TryLater(0.2)

    def second() -> None:
        started.append(time.monotonic())

    before = time.monotonic()
    thread = threading.Thread(target=patience.call, args=(first,))
    thread.start()
    refused.wait()
    while patience._until < before + 0.2:
        pass
    patience.call(second)
    thread.join()
    assert started[0] >= before + 0.2


def test_a_unit_records_which_server_answered(asker: AskerFolder) -> None:
    method = "    def answered_by(self):\n        return {'model': 'm'}\n\n"
    text = ASKER.replace("    def generate_texts", f"{method}    def generate_texts")
    (asker.folder / "asker.py").write_text(text)
    asker.run("run", "log")
    (unit,) = (asker.folder / "run").rglob("unit.json")
    assert json.loads(unit.read_text())["made"]["answered_by"] == {"model": "m"}
