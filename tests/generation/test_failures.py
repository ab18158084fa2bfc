"""Missing, failed, refused and not made are four things; a failure keeps its reason until the output is made."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gill_bench.analysis.golden import check, golden_of
from gill_bench.cli import main
from gill_bench.errors import InputError
from gill_bench.evaluate import Outcome, score
from gill_bench.planning.plan import make_plan
from gill_bench.rundir.folders import is_done
from gill_bench.rundir.load import read_failure, read_results
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.rows import Counts, Unmade
from gill_bench.rundir.verify import verify
from gill_bench.storage.json import to_json
from gill_bench.storage.sealed import sealed, write_sealed
from tests.support import able
from tests.support.runs import results, run, run_request, tree

CONTEXTS = ("1-caption", "5-captions")
MODEL = """
import os
import numpy as np
from PIL import Image
from gill_bench.interfaces import RefusedError

class Moody:
    def generate_images(self, prompts, noise):
        return [[self.paint(prompt, one) for one in seeds] for prompt, seeds in zip(prompts, noise)]

    def paint(self, prompt, noise):
        if any(word in prompt.text for word in os.environ.get("MOODY_FAILS", "?").split("|")):
            {}[os.environ.get("MOODY_KEY", "unk")]
        if os.environ.get("MOODY_REFUSES", "?") in prompt.text:
            raise RefusedError("not this one")
        return Image.fromarray(np.random.default_rng(noise.seed).integers(0, 255, (32, 32, 3)).astype(np.uint8))

    def generate_texts(self, prompts, max_new_tokens, stop=()):
        if len(prompts) > int(os.environ.get("MOODY_MOST", "99")):
            raise ValueError("too many")
        return ["yes" for _ in prompts]
"""
LINE = MODEL.splitlines().index('            {}[os.environ.get("MOODY_KEY", "unk")]') + 1


@pytest.fixture
def moody(tmp_path: Path) -> str:
    """A user's model that fails and refuses when the test says so."""
    (tmp_path / "moody.py").write_text(MODEL)
    return f"{tmp_path / 'moody.py'}:Moody"


def stories(out: Path) -> dict[str, str]:
    """The texts of the six stories by id, from a plan for the folder `out`, which is not made."""
    task = make_plan(run_request(out, contexts=("1-caption",)), dry=True).cells[0].cell.task
    return {example.id: " ".join(turn.text for turn in example.turns) for example in task.examples}


def counts(outcome: Outcome, context: str = "5-captions") -> set[tuple[int, ...]]:
    """(expected, scored, missing, failed, refused, not made) of every row of a context."""
    return {
        (row.n_expected, row.n_scored, row.n_missing, row.n_failed, row.n_refused, row.n_not_made)
        for row in outcome.results.rows
        if row.context == context
    }


def test_a_stopped_run_is_not_a_failed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run stops at too many failures in the middle, and counts the remaining outputs as not generated yet."""
    names, texts = zip(*stories(tmp_path / "planned").items(), strict=True)
    out = tmp_path / "run"
    monkeypatch.setenv("NOISY_FAIL_ON", texts[3])
    words = ["run", "vist", "--models", "noisy", "--cards", "tests/cards", "--limit", "6", "--seeds", "2"]
    words += ["--contexts", "5-captions", "--data", str(run_request(out).data), "--split", "test", "--out", str(out)]
    assert main([*words, "--max-failures", "0", "--workers", "1", "--device", "cpu"]) == 1
    said = capsys.readouterr().err
    record = next(out.glob(f"units/*/*/*/{'failed-*.json'}"))
    assert "the last with RuntimeError: the planted failure at noisy.py:" in said
    assert f"\n  the traceback: {record}\n" in said
    stored = sum(len(json.loads(file.read_text())["examples"]) for file in out.rglob("unit.json"))
    assert 0 < stored < 5
    assert main(["score", str(out), "--device", "cpu"]) == 4
    said = capsys.readouterr().err
    assert "2 of 12 samples failed; the command that made the run tries them again\n" in said
    assert f"{2 * (5 - stored)} of 12 samples are not made yet; the command that made the run goes on" in said
    rows = read_results(out / "results.json").rows
    assert {(row.n_scored, row.n_failed, row.n_refused, row.n_not_made) for row in rows} == {(stored, 1, 0, 5 - stored)}
    unmade = read_results(out / "results.json").unmade
    assert {(item.outcome, len(item.examples), item.seeds) for item in unmade} == {
        ("failed", 1, (0, 1)),
        ("not made", 5 - stored, (0, 1)),
    }
    assert next(item for item in unmade if item.outcome == "failed").examples == (names[3],)
    assert verify(out).whole
    monkeypatch.delenv("NOISY_FAIL_ON")
    assert main([*words, "--workers", "1", "--device", "cpu"]) == 0
    run(tmp_path / "whole", contexts=("5-captions",))
    assert results(out) == results(tmp_path / "whole")
    assert not list(out.glob(f"units/*/*/*/{'failed-*.json'}"))


def test_four_outcomes_are_counted_apart(
    tmp_path: Path, moody: str, vist: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names, texts = zip(*stories(tmp_path / "planned").items(), strict=True)
    photo = json.loads((vist / "sis/test.story-in-sequence.json").read_text())["images"][2]["id"]
    (vist / "images" / "test" / f"{photo}.png").unlink()
    monkeypatch.setenv("MOODY_FAILS", texts[2])
    monkeypatch.setenv("MOODY_REFUSES", texts[3])
    settings = ("vist.unreadable=count",)
    out = tmp_path / "run"
    outcome = run(out, models=(moody,), contexts=("5-captions",), data=str(vist), settings=settings)
    assert [item.example for item in outcome.results.missing] == list(names[:2])
    assert counts(outcome) == {(8, 4, 2, 1, 1, 0)}  # six that can be asked, among eight
    assert outcome.lacking("the same command") == [
        "2 of 16 samples failed; the same command tries them again",
        "2 of 16 samples are refused; the same command asks again",
    ]
    said = capsys.readouterr().err
    assert f"failed: vist/moody/5-captions, example {names[2]}: KeyError: 'unk' at moody.py:{LINE}\n" in said
    assert f"refused: vist/moody/5-captions, example {names[3]}: RefusedError: not this one at moody.py:" in said
    first, second = outcome.results.unmade
    details = ("KeyError: 'unk'", f"moody.py:{LINE}", first.record)
    assert first == Unmade("vist", "moody", "5-captions", "failed", (0, 1), (names[2],), *details)
    assert second.outcome == "refused"
    assert read_results(out / "results.json") == outcome.results


def test_the_record_of_a_failure_is_complete_and_holds_no_secrets(
    tmp_path: Path, moody: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MOODY_FAILS", " ")
    secret = "abcdefgh12345678"
    monkeypatch.setenv("SOME_API_KEY", secret)
    monkeypatch.setenv("MOODY_KEY", f"{tmp_path}/weights.bin of https://me:pw@host/x?token={secret}")
    run(tmp_path / "run", models=(moody,), contexts=("1-caption",), limit=1)
    (file,) = (tmp_path / "run").glob(f"units/vist/moody/1-caption/{'failed-*.json'}")
    assert not is_done(file)
    record = read_failure(file)
    assert (record.seeds, record.reason.type, record.reason.where) == ((0, 1), "KeyError", f"moody.py:{LINE}")
    assert record.reason.message.startswith("'…/weights.bin of https://…host/x…")
    assert f'File "moody.py", line {LINE}, in paint' in record.reason.traceback
    assert "During handling" not in record.reason.traceback
    text = file.read_text()
    for private in (str(tmp_path), str(Path.home()) + "/", secret, "me:pw", "CallError"):
        assert private not in text, private
    assert '"sha256"' in text


def test_debug_shows_the_models_own_traceback_and_no_other_exit_code(
    tmp_path: Path, moody: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MOODY_FAILS", " ")
    words = ["run", "vist", "--models", moody, "--limit", "1", "--seeds", "1", "--contexts", "1-caption"]
    words += ["--device", "cpu", "--workers", "1", "--out", str(tmp_path / "run")]
    assert main(words) == 4
    assert "Traceback" not in capsys.readouterr().err
    assert main([*words, "--debug"]) == 4
    said = capsys.readouterr().err
    assert f'File "moody.py", line {LINE}, in paint' in said
    assert "IncompleteError" not in said
    wrong = ["run", "vist", "--models", "no-such"]
    assert main(wrong) == main([*wrong, "--debug"]) == 2


def test_the_record_of_a_failure_with_other_inputs_does_not_count(
    tmp_path: Path, moody: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With another caption, another setting or a damaged record, the recorded failure does not count."""
    out = tmp_path / "run"
    monkeypatch.setenv("MOODY_FAILS", next(iter(stories(tmp_path / "planned").values())))
    run(out, models=(moody,), contexts=("5-captions",))
    (file,) = out.glob(f"units/*/*/*/{'failed-*.json'}")
    assert counts(Outcome(score(out, "cpu").results)) == {(6, 5, 0, 1, 0, 0)}
    whole = file.read_text()
    content = json.loads(whole)
    for change in ({"content": "0" * 64}, {"recipe": "0" * 64}):
        altered = {name: value for name, value in {**content, **change}.items() if name != "sha256"}
        file.write_text(to_json(sealed(altered)))
        assert counts(score(out, "cpu")) == {(6, 5, 0, 0, 0, 1)}
    file.write_text(whole.replace("unk", "any"))
    capsys.readouterr()
    assert counts(score(out, "cpu")) == {(6, 5, 0, 0, 0, 1)}
    assert f"warning: {file}: damaged" in capsys.readouterr().err
    (problem,) = verify(out).problems
    assert problem.file == file.relative_to(out).as_posix()
    assert "damaged: altered" in problem.reason
    file.unlink()
    file.mkdir()
    assert counts(score(out, "cpu")) == {(6, 5, 0, 0, 0, 1)}


def test_a_batch_that_raised_and_worked_one_by_one_is_told_and_counted(
    tmp_path: Path, moody: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MOODY_MOST", "3")
    words = [
        "run",
        "vqav2",
        "--models",
        moody,
        "--limit",
        "4",
        "--device",
        "cpu",
        "--workers",
        "1",
        "--contexts",
        "question",
    ]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().err
    raised = "the call with 4 prompts raised ValueError: too many"
    assert f"warning: vqav2/moody/question: {raised}; one by one 4 of 4 examples worked\n" in said
    assert "a call with several prompts raised, and worked with one at a time" in said
    commits = [json.loads(file.read_text()) for file in (tmp_path / "run").rglob("unit.json")]
    assert [commit["made"]["after"] for commit in commits] == [raised] * 4
    assert main([*words, "--out", str(tmp_path / "two"), "--batch-size", "2"]) == 0
    assert "ValueError" not in capsys.readouterr().err
    assert all("after" not in json.loads(file.read_text())["made"] for file in (tmp_path / "two").rglob("unit.json"))


def test_an_output_of_the_wrong_form_stops_the_run_and_keeps_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.py").write_text(
        "class Bad:\n    def generate_images(self, prompts, noise):\n"
        "        print('asked')\n        return [[None for s in n] for n in noise]\n"
    )
    model = f"{tmp_path / 'bad.py'}:Bad"
    words = ["run", "vist", "--models", model, "--limit", "6", "--device", "cpu", "--workers", "1"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 1
    said = capsys.readouterr()
    assert said.out.count("asked") == 1
    assert "error: bad: Bad.generate_images returned None among its pictures, expected a PIL picture" in said.err
    assert said.err.endswith(f"see: gill-bench doctor {model}\n")
    assert "tried again" not in said.err
    assert not list((tmp_path / "run").rglob("failed-*.json"))
    assert not (tmp_path / "run" / "results.json").exists()


def test_a_number_that_waits_for_others_is_not_made_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks among candidates of which some are not made wait; among candidates of which one failed they failed."""
    out = tmp_path / "run"
    able.run(out, "visdial-retrieval", limit=3, contexts=("10-rounds",))
    unit = next(out.glob("units/*/*/candidates/*/unit.json"))
    content = unit.read_bytes()
    unit.unlink()
    rows = score(out, "cpu").results.rows
    assert {(row.value, row.n_scored, row.n_failed, row.n_not_made) for row in rows} == {(None, 0, 0, 3)}
    unit.write_bytes(content)
    assert {(row.n_scored, row.n_lost) for row in score(out, "cpu").results.rows} == {(3, 0)}


def test_checking_an_incomplete_run_against_a_golden_file_says_what_lacks(tmp_path: Path) -> None:
    run(tmp_path / "run", contexts=CONTEXTS)
    whole = RunReader.open(tmp_path / "run")
    golden = golden_of(whole)["numbers"]
    rows = tuple(replace(row, n_scored=4, n_not_made=1, n_refused=1) for row in whole.results.rows)
    stopped = replace(whole, results=replace(whole.results, rows=rows))
    assert {(verdict.state, verdict.note) for verdict in check(stopped, golden)} == {
        (
            "incomplete",
            "2 of 12 samples are refused; 2 of 12 samples are not made yet; run the same command again",
        )
    }


def older(value: dict[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name not in ("n_refused", "n_not_made", "sha256")}


def test_results_of_older_versions_have_none_of_the_new_counts(tmp_path: Path) -> None:
    run(tmp_path / "run", contexts=("1-caption",))
    file = tmp_path / "run" / "results.json"
    now = read_results(file)
    content = results(tmp_path / "run")
    old = {**older(content), "rows": [older(row) for row in content["rows"]]}
    del old["unmade"]
    write_sealed(file, old)
    assert read_results(file) == now
    assert verify(tmp_path / "run").whole
    for wrong in ({"n_not_made": -1}, {"n_refused": 1.5}, {"n_not_made": True}):
        write_sealed(file, {**old, "rows": [{**old["rows"][0], **wrong}]})
        with pytest.raises(InputError, match=next(iter(wrong))):
            read_results(file)
    write_sealed(file, {**old, "rows": [{**old["rows"][0], "n_not_made": 1}]})
    assert "scored, missing, failed, refused and not made" in verify(tmp_path / "run").problems[0].reason


def test_a_sample_that_several_metrics_value_counts_once(tmp_path: Path) -> None:
    rows = run(tmp_path / "run", contexts=("1-caption",)).results.rows
    assert Counts.of(rows) == Counts(12, 0, 0, 0)
    assert Counts.of(replace(row, n_failed=2) for row in rows) == Counts(12, 4, 0, 0)
    assert Counts.of(()) == Counts(0, 0, 0, 0)
    assert tree(tmp_path / "run")


def test_the_reason_of_an_unusable_value_is_the_error_alone(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(
        "class Odd:\n    def score_texts(self, prompts, continuations):\n        return [float('nan')] * len(prompts)\n"
    )
    outcome = able.run(tmp_path / "run", "visdial-answers", models=(f"{tmp_path / 'odd.py'}:Odd",), limit=1)
    reason = "Odd.score_texts returned a log-likelihood of nan, expected finite numbers"
    assert {failure.reason for failure in outcome.failures} == {reason}
    assert not outcome.complete
