"""Runs of served models: whatever the server does, nothing is lost or paid twice, and the same bytes come out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from gill_bench.cards.find import builtin_folder
from gill_bench.cli import main
from gill_bench.evaluate import Outcome
from gill_bench.generation import waiting
from gill_bench.interfaces import UnavailableError
from gill_bench.models.openai_api import client
from gill_bench.planning.plan import make_plan
from gill_bench.planning.request import RunRequest
from gill_bench.rundir.verify import verify
from tests.support import able
from tests.support.fake_server import BROKEN, CUT, EMPTY, WAIT, FakeServer, Reply, fake_server
from tests.support.runs import results, run, run_request, tree

pytestmark = pytest.mark.enable_socket

PATIENCE = 300.0  # seconds after which what was waited for will not happen
CONTEXTS = ("1-caption", "5-captions-4-images")
KEY = "local-abc+def/ghi"
IMAGE, CHAT = "served-image", "served-chat"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(waiting, "FIRST_PAUSE", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def settings(server: FakeServer, model: str, *more: str) -> tuple[str, ...]:
    return tuple(f"{model}.{setting}" for setting in (f"url={server.url}", "at_once=3", "retries=2", *more))


def paint(out: Path, server: FakeServer, *more: str, **changes: Any) -> Outcome:
    """Run a served model that paints six stories in two contexts with two seeds: 24 pictures."""
    usual = {"models": (IMAGE,), "contexts": CONTEXTS, "settings": settings(server, IMAGE, *more)}
    return run(out, **{**usual, **changes})


def answer(out: Path, server: FakeServer, *more: str, **changes: Any) -> Outcome:
    """Run a served chat that answers ten questions."""
    given = {"models": (CHAT,), "limit": 10, "settings": settings(server, CHAT, *more), **changes}
    return able.run(out, "vqav2", **given)


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of an undisturbed run."""
    out = tmp_path_factory.mktemp("painted") / "run"
    with fake_server() as server:
        assert paint(out, server).complete
    assert server.paid == len(server.requests) == 24
    assert {path for path, _ in server.requests} == {"/v1/images/generations", "/v1/images/edits"}
    return tree(out)


def test_faults_of_the_server_cost_time_and_change_no_byte(painted: dict[str, bytes], tmp_path: Path) -> None:
    faults = {
        0: WAIT,
        1: WAIT,
        4: BROKEN,
        6: EMPTY,
        7: CUT,
        9: Reply(503, b"busy"),
        11: Reply(200, b"<html>"),
        15: WAIT,
    }
    with fake_server(faults=faults, delay=0.01) as server:
        assert paint(tmp_path / "run", server).complete
    assert tree(tmp_path / "run") == painted
    assert len(server.requests) == 24 + len(faults)
    assert set(server.answered.values()) == {1}
    assert server.paid == 24
    assert 1 < server.most_at_once <= 3
    assert server.keys == {f"Bearer {KEY}"}
    for name, content in painted.items():
        assert KEY.encode() not in content, name


def test_nothing_is_paid_twice_after_the_server_died(
    painted: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    with (
        fake_server(die_after=7) as dying,
        pytest.raises(
            UnavailableError, match=r"served-image: the server at .*127.0.0.1.* cannot be reached: no answer"
        ),
    ):
        paint(out, dying)
    assert not list(out.rglob("failed-*.json"))
    kept = len(list(out.rglob("kept/*/unit.json")))
    stored = sum(len(json.loads(file.read_text())["examples"]) * 2 for file in out.glob("units/*/*/*/*/unit.json"))
    assert kept + stored == dying.paid
    assert 7 <= dying.paid <= 9  # three at once
    assert verify(out).whole
    with fake_server() as server:
        assert paint(out, server).complete
    assert server.paid == 24 - dying.paid
    assert not set(server.answered) & set(dying.answered)
    assert tree(out) == painted
    for file in out.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file


def test_a_killed_run_loses_only_requests_under_way(painted: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "run"
    go_on = threading.Event()

    def check(path: str, fields: dict[str, Any]) -> None:
        if server.paid >= 5:
            go_on.wait(PATIENCE)  # what is under way when the process is killed

    with fake_server(check=check) as server:
        request = run_request(out, models=(IMAGE,), contexts=CONTEXTS)
        words = ["run", "vist", "--models", IMAGE, "--contexts", ",".join(CONTEXTS), "--seeds", "2", "--limit", "6"]
        words += ["--data", request.data, "--split", "test", "--device", "cpu", "--workers", "1", "--out", str(out)]
        words += [word for text in settings(server, IMAGE) for word in ("--set", text)]
        process = subprocess.Popen([sys.executable, "-m", "gill_bench", *words], stderr=subprocess.DEVNULL)
        while server.paid < 5 or server.under_way < 3 or len(list(out.rglob("kept/*/unit.json"))) < server.paid:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        before = server.paid
        go_on.set()
        assert paint(out, server).complete
    assert 5 <= before <= 7
    assert server.paid - 24 <= 3  # at most those that were under way
    assert sum(count > 1 for count in server.answered.values()) <= 3
    assert tree(out) == painted
    assert KEY not in (out / "env.json").read_text()


def test_refused_and_failed_prompts_are_counted_apart_and_asked_once(tmp_path: Path) -> None:
    stories = (
        make_plan(run_request(tmp_path, models=(IMAGE,), contexts=("5-captions",)), dry=True)
        .cells[0]
        .cell.task.examples
    )
    texts = [" ".join(turn.text for turn in story.turns) for story in stories]

    def check(path: str, fields: dict[str, Any]) -> Reply | None:
        return Reply(400, {"error": {"message": "too wide", "code": None}}) if texts[3] in fields["prompt"] else None

    out = tmp_path / "run"
    with fake_server(refuses=texts[1], check=check) as server:
        outcome = paint(out, server, contexts=("5-captions",))
    assert {(row.n_scored, row.n_failed, row.n_refused, row.n_not_made) for row in outcome.results.rows} == {
        (4, 1, 1, 0)
    }
    assert len(server.requests) == 12
    assert sorted(str(failure).partition(" at ")[0] for failure in outcome.failures) == [
        "RefusedError: answered 400: rejected by our safety system",
        "ServerError: answered 400: too wide",
    ]
    with fake_server() as server:
        assert paint(out, server, contexts=("5-captions",)).complete
    assert len(server.requests) == 4
    with fake_server() as server:
        paint(tmp_path / "undisturbed", server, contexts=("5-captions",))
    assert results(out) == results(tmp_path / "undisturbed")


def test_a_served_chat_answers_questions_and_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    with fake_server() as server:
        assert answer(tmp_path / "undisturbed", server).complete
    (path, fields), count = server.requests[0], len(server.requests)
    assert path == "/v1/chat/completions"
    assert [part["type"] for part in fields["messages"][0]["content"]] == ["image_url", "text"]
    assert (fields["temperature"], fields["seed"]) == (0.0, 0)
    with fake_server(faults={2: WAIT, 3: BROKEN, 5: CUT}, die_after=6) as dying, pytest.raises(UnavailableError):
        answer(tmp_path / "run", dying)
    with fake_server() as server:
        assert answer(tmp_path / "run", server).complete
    assert server.paid + dying.paid == count
    assert tree(tmp_path / "run") == tree(tmp_path / "undisturbed")
    records = [json.loads(file.read_text())["made"] for file in (tmp_path / "run").rglob("unit.json")]
    facts = {"model": "Qwen/Qwen2.5-VL-7B-Instruct-2026", "system_fingerprint": "fp_1", "version": "0.30.0"}
    assert [each["answered_by"] for each in records] == [facts]
    spec = (tmp_path / "run/spec.json").read_text()
    assert "127.0.0.1" not in spec
    assert "at_once" not in spec


def test_without_a_seed_rows_and_tables_say_so(tmp_path: Path) -> None:
    with fake_server() as server:
        outcome = answer(tmp_path / "run", server, "seed=false", limit=2)
    assert all("seed" not in fields for _, fields in server.requests)
    assert {"seed:False" in row.model_signature for row in outcome.results.rows} == {True}
    assert any("takes no seed, so that its answers are not repeatable" in note for note in outcome.results.notes)


def test_models_named_all_leave_out_served_models(tmp_path: Path) -> None:
    with fake_server() as server:
        given = settings(server, CHAT) + settings(server, IMAGE)
        for tasks in (("vqav2",), ("all",)):
            plan = make_plan(RunRequest(tasks, tmp_path, settings=given, device="cpu", workers=1), dry=True)
            assert not {planned.cell.model for planned in plan.cells} & {CHAT, IMAGE}
            reasons = {reason for _, model, _, reason in plan.cannot if model == CHAT}
            assert reasons == {"served-chat asks a server; name it: --models served-chat"}
    assert not server.requests
    assert not server.paths


@pytest.mark.parametrize("model", [IMAGE, CHAT])
def test_the_doctor_passes_served_models(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    with fake_server(faults={0: WAIT, 3: BROKEN}) as server:
        words = [word for text in settings(server, model) for word in ("--set", text)]
        assert main(["doctor", model, "--device", "cpu", *words]) == 0, capsys.readouterr().out


def test_served_models_have_one_worker_unless_the_user_wants_more(tmp_path: Path) -> None:
    for models, workers, expected in (((CHAT,), 0, 1), ((CHAT,), 2, 2)):
        request = RunRequest(("vqav2",), tmp_path, models=models, device="cpu", workers=workers)
        assert make_plan(request, dry=True).options.workers == expected


@pytest.mark.parametrize("status", [401, 404])
def test_a_server_that_answers_nobody_stops_the_run_at_once(status: int, tmp_path: Path) -> None:
    def check(path: str, fields: dict[str, Any]) -> Reply:
        return Reply(status, {"error": {"message": f"not with {KEY}"}})

    with fake_server(check=check) as server, pytest.raises(UnavailableError) as caught:
        answer(tmp_path / "run", server)
    assert KEY not in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3
    assert ("OPENAI_API_KEY" if status == 401 else "--set MODEL.url") in str(caught.value)
    assert len(server.requests) <= 6  # three at once, and their successors


def test_the_cards_name_every_file_that_a_card_needs() -> None:
    for name in (IMAGE, CHAT):
        text = (builtin_folder() / "baselines" / f"{name}.toml").read_text()
        assert "Not verified" in text
        assert os.environ["OPENAI_API_KEY"] not in text
