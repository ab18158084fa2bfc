"""Runs of every kind of output: kills, damage, failing examples, growth, changed answers and ways of scoring."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gill_bench.cards.find import Cards
from gill_bench.cli import main
from gill_bench.errors import GillBenchError
from gill_bench.evaluate import score
from gill_bench.mini.embedded import world_folder
from gill_bench.mini.writers.visdial import DIALOGS
from gill_bench.planning.plan import make_plan
from gill_bench.reporting import tables_for
from gill_bench.reporting.listing import cells_of
from gill_bench.reporting.structure import in_unit
from gill_bench.storage.cache import cache_folder
from gill_bench.storage.images import load_image
from tests.support.able import (
    KINDS,
    cards_with_small_units,
    chance_of_hit,
    counts,
    dot_product,
    records,
    rows_by_metric,
    run,
    run_request,
)
from tests.support.caches import cache_with_own
from tests.support.cli import start_command
from tests.support.runs import CARDS, change_a_byte, change_a_feature, cut, results, tree, wait_for_units

LIMIT = 40


@pytest.fixture(scope="module", autouse=True)
def _own_features(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Features of reference pictures are damaged here."""
    with cache_with_own("features", tmp_path_factory.mktemp("cache") / "cache"):
        yield


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return CARDS, cards_with_small_units(tmp_path_factory.mktemp("cards") / "small", "vist-retrieval", "vqav2")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, cards: tuple[Path, ...]) -> Path:
    """An undisturbed run, which tests must not change."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert run(out, *KINDS, limit=LIMIT, card_folders=cards).complete
    return out


@pytest.mark.slow
def test_a_run_killed_in_the_middle_of_each_kind_resumes_to_the_same_bytes(
    tmp_path: Path, whole: Path, cards: tuple[Path, ...]
) -> None:
    out = tmp_path / "run"
    command = ["run", *KINDS, "--models", "able", "--limit", str(LIMIT), "--device", "cpu", "--workers", "1"]
    command += [*(word for folder in cards for word in ("--cards", str(folder))), "--out", str(out)]
    kinds = ("candidates", "5-captions-4-images", "question", "history")
    sizes = [len(list(whole.glob(f"units/*/able/{kind}/*/unit.json"))) for kind in kinds]
    assert sizes == [2, 5, 5, 4]
    for index, kind in enumerate(kinds):
        process = start_command(*command, NOISY_PAUSE="0.5")
        wait_for_units(out, sum(sizes[:index]) + 1)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert 0 < len(list(out.glob(f"units/*/able/{kind}/*/unit.json"))) < sizes[index]
    assert not (out / "results.json").exists()
    assert run(out, *KINDS, limit=LIMIT, card_folders=cards).complete
    assert tree(out) == tree(whole)


def other_number(file: Path) -> None:
    """Change a stored number to another valid one."""
    content = json.loads(file.read_text())
    content["scores"][0]["value"] += 0.25
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        ("vist-retrieval/able/candidates/*/vectors.npy", cut),
        ("vist-retrieval/able/candidates/*/vectors.npy", change_a_byte),
        ("vist-retrieval/able/5-*/*/vectors.npy", change_a_byte),
        ("vqav2/able/question/*/samples.jsonl", cut),
        ("visdial-answers/able/history/*/samples.jsonl", change_a_byte),
        ("visdial-answers/able/history/score-*.json", cut),
        ("visdial-answers/able/history/score-*.json", other_number),
        ("vist-retrieval/able/5-*/score-*.json", Path.unlink),
    ],
)
def test_a_damaged_file_of_every_kind_is_named_and_made_again(
    tmp_path: Path,
    whole: Path,
    cards: tuple[Path, ...],
    pattern: str,
    damage: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = Path(shutil.copytree(whole, tmp_path / "run"))
    damaged = next((out / "units").glob(pattern))
    damage(damaged)
    assert run(out, pattern.partition("/")[0], limit=LIMIT, card_folders=cards).complete
    assert damage is Path.unlink or f"{damaged}" in capsys.readouterr().err
    assert tree(out) == tree(whole)


def test_damaged_vectors_count_as_not_made_when_only_scoring(tmp_path: Path, whole: Path) -> None:
    out = Path(shutil.copytree(whole, tmp_path / "run"))
    change_a_byte(next(out.glob("units/vist-retrieval/able/candidates/*/vectors.npy")))
    outcome = score(out, "cpu")
    assert not outcome.complete
    recall = [row for row in outcome.results.rows if row.task == "vist-retrieval"]
    assert {(row.value, *counts(row), row.n_not_made) for row in recall} == {(None, 40, 0, 0, 0, 40)}


@pytest.fixture(scope="module")
def distance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("distance") / "run"
    assert run(out, "coco-fid", limit=40, settings=("coco-fid.min_samples=40",)).complete
    return out


def test_every_number_is_above_a_trivial_answer_or_is_said_not_to_be(
    whole: Path, distance: Path, cards: tuple[Path, ...]
) -> None:
    tables = tables_for([whole, distance], Cards(cards))
    said = set()
    for table in tables:
        [named] = [note for note in table.notes if note.startswith("NO BETTER")] or [""]
        for line, column, cell in cells_of(table):
            if column.higher_is_better is None or column.metric.startswith("seconds") or cell.mean is None:
                continue
            assert cell.trivial is not None, (table.name, column.title, column.metric)
            ahead = cell.mean - in_unit(cell.trivial, column.percent)
            better = (ahead if column.higher_is_better else -ahead) > 0
            assert better == (f"{line.title}, {column.title}" not in named), (table.name, column.title, column.metric)
            said.add(better)
    assert said == {True, False}


@pytest.mark.parametrize("damage", [cut, change_a_feature])
@pytest.mark.parametrize("side", ["generated", "reference"])
def test_damaged_features_are_named_and_made_again(
    tmp_path: Path, distance: Path, side: str, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    out = Path(shutil.copytree(distance, tmp_path / "run"))
    (kept,) = out.rglob("score-fid-*.json")
    kept.unlink()
    files = list(out.rglob("features-fid-*.npy")) if side == "generated" else features_in_cache()
    for file in files:
        damage(file)
    capsys.readouterr()
    assert score(out, "cpu").complete
    said = capsys.readouterr().err
    assert any(f"{file}: damaged" in said for file in files)
    assert tree(out) == tree(distance)


def features_in_cache() -> list[Path]:
    files = list((cache_folder() / "features").glob("*.npy"))
    assert files
    return files


def test_a_picture_altered_after_the_fact_has_no_features(tmp_path: Path, distance: Path) -> None:
    out = Path(shutil.copytree(distance, tmp_path / "run"))
    for file in [*out.rglob("score-fid-*.json"), *out.rglob("features-fid-*.npy")]:
        file.unlink()
    Image.new("RGB", (8, 8)).save(next(out.rglob("*.png")))
    with pytest.raises(GillBenchError, match=r"coco-fid: fid.*its content is not what the model made"):
        score(out, "cpu")


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the model fail on every prompt from here on."""
    monkeypatch.setenv("NOISY_FAIL_ON", " ")


def test_a_failing_question_and_a_failing_story_take_no_other_with_them(
    tmp_path: Path, whole: Path, cards: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    for task in KINDS:
        cell = make_plan(run_request(out, task, limit=LIMIT, card_folders=cards)).cells[-1].cell
        texts = {
            name: "".join(part for part in cell.task.segments(example, cell.context) if isinstance(part, str))
            for name, (example, _, _) in cell.usable.items()
        }
        (bad, *_) = [name for name, text in texts.items() if sum(text in other for other in texts.values()) == 1]
        with monkeypatch.context() as patch:
            parts = [part for part in cell.task.segments(cell.usable[bad][0], cell.context) if isinstance(part, str)]
            patch.setenv("NOISY_FAIL_ON", max(parts, key=len) if task == "vist-retrieval" else texts[bad])
            outcome = run(out, task, limit=LIMIT, card_folders=cards)
        assert not outcome.complete
        failed = [failure.example for failure in outcome.failures]
        assert bad in failed
        everything = [row for row in outcome.results.rows if row.task == task and row.n_expected == LIMIT]
        assert {counts(row) for row in everything} == {(LIMIT, LIMIT - len(failed), 0, len(failed))}
        assert all(row.value is not None for row in everything)
    assert run(out, *KINDS, limit=LIMIT, card_folders=cards).complete
    assert results(out) == results(whole)


def picture_of(task: str, limit: int) -> str:
    """The hash of a candidate picture; planted in the model, it makes the model fail on this candidate."""
    plan = make_plan(run_request(cache_folder() / "unused", task, limit=limit))
    (cell,) = (planned.cell for planned in plan.cells if planned.cell.asks == "candidates")
    example = next(iter(cell.usable.values()))[0]
    assert example.target is not None
    assert example.target.file is not None
    return hashlib.sha256(load_image(example.target.file).tobytes()).hexdigest()


def test_nothing_is_ranked_among_an_incomplete_set_of_candidates(
    tmp_path: Path, whole: Path, cards: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    words = ["run", "vist-retrieval", "--models", "able", "--limit", str(LIMIT), "--out", str(out)]
    words += ["--device", "cpu", "--workers", "1", *(w for folder in cards for w in ("--cards", str(folder)))]
    with monkeypatch.context() as patch:
        patch.setenv("NOISY_FAIL_ON_PICTURE", picture_of("vist-retrieval", LIMIT))
        assert main(words) == 4
    assert {(row["value"], row["n_scored"], row["n_failed"]) for row in results(out)["rows"]} == {(None, 0, LIMIT)}
    assert main(["score", str(out), "--device", "cpu"]) == 4
    stored = len(list(out.glob("units/*/able/candidates/*/unit.json")))
    assert stored == 64  # 63 of the first unit alone, and the second
    assert main(words) == 0
    expected = [row for row in results(whole)["rows"] if row["task"] == "vist-retrieval"]
    assert results(out)["rows"] == expected


@pytest.mark.parametrize("what", ["a dialog", "a picture"])
def test_dialogs_or_pictures_that_fail_are_counted_and_the_others_ranked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    out = tmp_path / "run"
    cell = make_plan(run_request(out, "visdial-retrieval")).cells[-1].cell
    with monkeypatch.context() as patch:
        if what == "a picture":
            patch.setenv("NOISY_FAIL_ON_PICTURE", picture_of("visdial-retrieval", 0))
        else:
            patch.setenv("NOISY_FAIL_ON", " ".join(turn.text for turn in cell.task.examples[3].turns))
        outcome = run(out, "visdial-retrieval")
    failed = len(outcome.failures)
    assert 0 < failed < 10
    pictures, prompts = (records(out, "visdial-retrieval", context) for context in ("candidates", "10-rounds"))
    target = {name: example.target.id for name, (example, _, _) in cell.usable.items() if example.target}
    both = [name for name in target if name in prompts and target[name] in pictures]
    assert len(both) == DIALOGS - failed
    for (metric, _), row in rows_by_metric(outcome).items():
        assert counts(row) == (DIALOGS, DIALOGS - failed, 0, failed), metric
        k = int(metric.rpartition("@")[2])
        if metric.startswith("recall-image-to-text"):
            hits = [_hit(pictures[target[own]], prompts, own, k) for own in both]
        else:
            hits = [_hit(prompts[own], pictures, target[own], k) for own in both]
        assert row.value == pytest.approx(np.mean(hits)), metric
    assert run(out, "visdial-retrieval").complete
    assert {counts(row) for row in run(tmp_path / "direct", "visdial-retrieval").results.rows} == {
        (DIALOGS, DIALOGS, 0, 0)
    }
    assert results(out) == results(tmp_path / "direct")


def _hit(query: dict[str, Any], others: dict[str, dict[str, Any]], own: str, k: int) -> float:
    scores = {name: dot_product(record["vector"], query["vector"]) for name, record in others.items()}
    return chance_of_hit(scores, own, k)


def test_no_classifier_is_trained_on_a_part_of_the_train_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "run"
    settings = ("partiprompts.train=20",)
    plan = make_plan(run_request(out, "partiprompts", contexts=("classifier", "decide"), settings=settings, limit=60))
    texts = [example.turns[0].text for example in plan.cells[0].cell.task.examples]
    bad = next(text for text in texts[:20] if sum(text in other for other in texts) == 1)
    monkeypatch.setenv("NOISY_FAIL_ON", bad)
    outcome = run(out, "partiprompts", contexts=("classifier", "decide"), settings=settings, limit=60, seeds=1)
    assert {(row.value, *counts(row)) for row in rows_by_metric(outcome, "classifier").values()} == {
        (None, 40, 0, 0, 40)
    }
    assert {counts(row) for row in rows_by_metric(outcome, "decide").values()} == {(40, 40, 0, 0)}
    monkeypatch.delenv("NOISY_FAIL_ON")
    outcome = run(out, "partiprompts", contexts=("classifier", "decide"), settings=settings, limit=60, seeds=1)
    assert outcome.complete
    assert {counts(row) for row in rows_by_metric(outcome, "classifier").values()} == {(40, 40, 0, 0)}


def test_a_higher_limit_keeps_units_and_scores_the_new_set(
    tmp_path: Path, whole: Path, cards: tuple[Path, ...]
) -> None:
    out = tmp_path / "run"
    run(out, *KINDS, limit=10, card_folders=cards)
    stamps = {file: file.stat().st_mtime_ns for file in out.rglob("unit.json")}
    before = {row["metric"]: row["value"] for row in results(out)["rows"]}
    assert run(out, *KINDS, limit=LIMIT, card_folders=cards).complete
    assert all(file.stat().st_mtime_ns == stamp for file, stamp in stamps.items())
    assert results(out) == results(whole)
    after = {row["metric"]: row["value"] for row in results(out)["rows"]}
    assert all(after[metric] != before[metric] for metric in ("vqa-accuracy", "recall@10", "mrr"))


def on_vist(out: Path, vist: Path, **changes: Any) -> Any:
    given = {"data": str(vist), "split": "test", "limit": 6, "contexts": ("5-captions",)} | changes
    return run(out, "vist-retrieval", **given)


def values(outcome: Any) -> dict[tuple[str, int], float | None]:
    return {key: row.value for key, row in rows_by_metric(outcome).items()}


def test_a_candidate_that_appears_is_searched(tmp_path: Path, vist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "run"
    (removed,) = (vist / "images" / "test").glob("100079.*")  # of no story within the limit
    content = removed.read_bytes()
    removed.unlink()
    assert on_vist(out, vist).complete
    stamps = {file: file.stat().st_mtime_ns for file in out.rglob("unit.json")}
    removed.write_bytes(content)
    forbid(monkeypatch)  # no prompt reaches the model again
    outcome = on_vist(out, vist)
    assert all(file.stat().st_mtime_ns == stamp for file, stamp in stamps.items())
    assert len(list(out.rglob("unit.json"))) == len(stamps) + 1
    assert all("|candidates:80@" in row.signature for row in outcome.results.rows)
    monkeypatch.undo()
    assert values(outcome) == values(on_vist(tmp_path / "direct", vist))


def test_another_target_among_the_same_candidates_is_scored_again(
    tmp_path: Path, vist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    first = values(on_vist(out, vist, limit=12))
    file = vist / "sis" / "test.story-in-sequence.json"
    content = json.loads(file.read_text())
    last = [group[0] for group in content["annotations"] if group[0]["worker_arranged_photo_order"] == 4]
    photos = [record["photo_flickr_id"] for record in last]
    for record, photo in zip(last, photos[6:] + photos[:6], strict=True):
        record["photo_flickr_id"] = photo
    file.write_text(json.dumps(content))
    with monkeypatch.context() as patch:
        forbid(patch)
        second = values(on_vist(out, vist, limit=12))
    assert second != first
    assert second == values(on_vist(tmp_path / "direct", vist, limit=12))


def test_a_changed_reference_picture_is_scored_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Path(shutil.copytree(world_folder() / "coco", tmp_path / "coco"))
    changes = {"data": str(tmp_path), "limit": 20, "metric_weights": "mini"}
    settings = ("min_samples=20", "generated=as-stored", "real=as-stored")
    changes["settings"] = tuple(f"coco-fid.{setting}" for setting in settings)
    first = values(run(tmp_path / "run", "coco-fid", **changes))
    for file in sorted((data / "val2014").iterdir())[:20]:
        Image.new("RGB", (32, 32), "red").save(file)
    with monkeypatch.context() as patch:
        forbid(patch)
        second = values(run(tmp_path / "run", "coco-fid", **changes))
    assert all(second[key] != first[key] for key in first)
    assert second == values(run(tmp_path / "direct", "coco-fid", **changes))


def test_changed_answers_are_scored_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Path(shutil.copytree(world_folder() / "vqav2", tmp_path / "vqav2"))
    first = values(run(tmp_path / "run", "vqav2", data=str(tmp_path), limit=30))
    file = data / "v2_mscoco_val2014_annotations.json"
    content = json.loads(file.read_text())
    for record in content["annotations"]:
        for answer in record["answers"]:
            answer["answer"] = "yes"
    file.write_text(json.dumps(content))
    with monkeypatch.context() as patch:
        forbid(patch)
        second = values(run(tmp_path / "run", "vqav2", data=str(tmp_path), limit=30))
    assert second != first
    assert second == values(run(tmp_path / "direct", "vqav2", data=str(tmp_path), limit=30))


@pytest.mark.parametrize(
    ("task", "setting", "sign", "changed"),
    [
        ("vqav2", "answer=verbatim", "answer:verbatim", "vqa-accuracy"),
        ("vqav2", "evaluator=2017", "evaluator:2017", None),
        ("vist-retrieval", "mask_seen=false", "seen:searched", "recall@60"),
        ("visdial-answers", "dense_round=fromage_compat", "dense_round:fromage_compat", "ndcg"),
    ],
)
def test_another_way_of_scoring_generates_nothing(
    tmp_path: Path,
    whole: Path,
    cards: tuple[Path, ...],
    monkeypatch: pytest.MonkeyPatch,
    task: str,
    setting: str,
    sign: str,
    changed: str | None,
) -> None:
    out = Path(shutil.copytree(whole, tmp_path / "run"))
    forbid(monkeypatch)
    outcome = run(out, task, limit=LIMIT, card_folders=cards, settings=(f"{task}.{setting}",))
    task_rows = [row for row in outcome.results.rows if row.task == task]
    assert all(f"|{sign}" in row.signature for row in task_rows)
    before = {(row["task"], row["metric"]): row["value"] for row in results(whole)["rows"]}
    assert all(row.value != before[task, row.metric] for row in task_rows if row.metric == changed)
    run(out, task, limit=LIMIT, card_folders=cards)
    assert results(out) == results(whole)


def test_other_values_of_k_give_rows_of_their_own_without_generating(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Path(shutil.copytree(whole, tmp_path / "run"))
    forbid(monkeypatch)
    cards = cards_with_small_units(tmp_path / "cards", "vist-retrieval", at="2")
    outcome = run(out, "vist-retrieval", limit=LIMIT, card_folders=(CARDS, cards))
    assert [row.metric for row in outcome.results.rows if row.task == "vist-retrieval"] == ["recall@2"]


def test_a_metric_that_fails_stops_no_other(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("planted")

    out = Path(shutil.copytree(whole, tmp_path / "run"))
    for file in out.glob("units/*/able/*/score-*.json"):
        file.unlink()
    (out / "results.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr("gill_bench.metrics.vqa.scores", broken)
        assert main(["score", str(out), "--device", "cpu"]) == 1
    said = capsys.readouterr().err
    assert "vqav2: vqa-accuracy: ZeroDivisionError: planted" in said
    assert f"all other scores are in {out / 'results.json'}" in said
    others = [row for row in results(whole)["rows"] if row["task"] != "vqav2"]
    assert results(out)["rows"] == others
    assert main(["score", str(out), "--device", "cpu"]) == 0
    assert results(out) == results(whole)


def test_a_distance_of_too_few_pictures_has_no_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ("coco-fid.min_samples=40",)
    texts = [
        e.turns[0].text for e in make_plan(run_request(tmp_path / "run", "coco-fid")).cells[0].cell.task.examples[:40]
    ]
    monkeypatch.setenv("NOISY_FAIL_ON", texts[7])
    outcome = run(tmp_path / "run", "coco-fid", limit=40, settings=settings)
    failed = len(outcome.failures)
    assert failed
    assert {(row.value, *counts(row)) for row in outcome.results.rows} == {(None, 40, 40 - failed, 0, failed)}
