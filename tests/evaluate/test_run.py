"""Runs: counts, resume, growth, changed settings and data, failures; with a model that costs nothing."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from gill_bench.errors import GillBenchError, InputError
from gill_bench.evaluate import score
from gill_bench.planning.plan import make_plan
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey
from gill_bench.rundir.rows import Row
from gill_bench.rundir.verify import verify
from gill_bench.rundir.writer import write_unit
from gill_bench.storage.images import load_image
from tests.support.runs import change_a_result, change_a_score, cut, picture_digests, results, run, run_request, tree


def test_rows_have_every_count_of_samples(tmp_path: Path) -> None:
    rows = run(tmp_path / "run").results.rows
    assert len(rows) == 3 * 2 * 2  # contexts, seeds, metrics
    assert {row.context for row in rows} == {"1-caption", "5-captions", "5-captions-4-images"}
    assert {row.metric for row in rows} == {"clip-similarity[mini]", "lpips[mini]"}
    for row in rows:
        assert (row.n_expected, row.n_scored, row.n_missing, row.n_failed) == (6, 6, 0, 0)
        assert row.n_truncated == (6 if row.context != "1-caption" else 0)
        assert row.value is not None
        assert math.isfinite(row.value)
        assert row.higher_is_better == row.metric.startswith("clip")


def test_contexts_are_compared_on_the_same_noise_and_seeds_differ(tmp_path: Path) -> None:
    plan = make_plan(run_request(tmp_path / "run"))
    task = plan.cells[0].cell.task
    noise = {(e.id, seed): task.noise(seed, e, position) for position, e in enumerate(task.examples) for seed in (0, 1)}
    assert len(set(noise.values())) == 12


def test_a_finished_run_that_is_run_again_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "run")
    before = tree(tmp_path / "run")
    monkeypatch.setenv("NOISY_FAIL_ON", " ")  # any call of the model would fail
    assert run(tmp_path / "run").complete
    assert tree(tmp_path / "run") == before


def test_a_higher_limit_keeps_what_is_there_and_gives_what_a_direct_run_gives(tmp_path: Path) -> None:
    run(tmp_path / "grown", limit=3)
    stamps = {file: file.stat().st_mtime_ns for file in (tmp_path / "grown").rglob("*.png")}
    run(tmp_path / "grown", limit=11)
    assert all(file.stat().st_mtime_ns == stamp for file, stamp in stamps.items())
    run(tmp_path / "direct", limit=11)
    assert len(picture_digests(tmp_path / "grown")) == 3 * 11 * 2
    assert picture_digests(tmp_path / "grown") == picture_digests(tmp_path / "direct")
    assert (tmp_path / "grown" / "results.json").read_bytes() == (tmp_path / "direct" / "results.json").read_bytes()


def test_more_seeds_keep_what_is_there(tmp_path: Path) -> None:
    run(tmp_path / "grown", seeds=1)
    first = picture_digests(tmp_path / "grown")
    rows = run(tmp_path / "grown", seeds=3).results.rows
    direct = run(tmp_path / "direct", seeds=3).results.rows
    assert picture_digests(tmp_path / "grown").items() >= first.items()
    assert picture_digests(tmp_path / "grown") == picture_digests(tmp_path / "direct")
    # The metrics' networks see a story's pictures in batches of its new seeds: equal to float rounding.
    assert values(rows) == pytest.approx(values(direct), abs=1e-6)


def test_a_smaller_request_reports_only_its_own_examples_and_seeds(tmp_path: Path) -> None:
    run(tmp_path / "run", limit=6)
    rows = run(tmp_path / "run", limit=3, seeds=1).results.rows
    assert {(row.n_expected, row.n_scored, row.seed) for row in rows} == {(3, 3, 0)}


def test_a_changed_setting_is_named_and_reuses_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path / "run", contexts=("1-caption",))
    before = tree(tmp_path / "run")
    capsys.readouterr()
    run(tmp_path / "run", contexts=("1-caption",), settings=("noisy.side=16",))
    said = capsys.readouterr().err
    assert (
        "vist/noisy/1-caption: settings.side was 8, now 16. 2 stored units were made with other settings; they are"
        in said
    )
    units = {name: content for name, content in before.items() if name.startswith("units/")}
    assert tree(tmp_path / "run").items() >= units.items()
    assert {load_image(file).size for file in (tmp_path / "run").rglob("*.png")} == {(8, 8), (16, 16)}
    run(tmp_path / "run", contexts=("1-caption",))  # and back: the first ones are valid again
    assert results(tmp_path / "run") == json.loads(before["results.json"])


def test_cells_of_earlier_commands_stay_in_the_results(tmp_path: Path) -> None:
    run(tmp_path / "run", models=("noisy",))
    run(tmp_path / "run", models=("noisy-text",))
    assert {row["model"] for row in results(tmp_path / "run")["rows"]} == {"noisy", "noisy-text"}
    before = results(tmp_path / "run")
    score(tmp_path / "run", "cpu")
    assert results(tmp_path / "run") == before


def test_a_context_that_a_model_cannot_read_is_known_before_it_is_loaded(tmp_path: Path) -> None:
    plan = make_plan(run_request(tmp_path / "run", models=("noisy", "noisy-text")))
    assert plan.cannot == (("vist", "noisy-text", "5-captions-4-images", "noisy-text reads no images"),)
    with pytest.raises(InputError, match="nothing to do: noisy-text reads no images"):
        make_plan(run_request(tmp_path / "run", models=("noisy-text",), contexts=("5-captions-4-images",)))


def damage_nothing(vist: Path, photo: str) -> None:
    (vist / "images" / "test" / f"{photo}.png").unlink()


def write_text(vist: Path, photo: str) -> None:
    (vist / "images" / "test" / f"{photo}.png").write_text("not a picture")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [(damage_nothing, "is not in the data folder"), (write_text, "not a picture that PIL can read")],
)
def test_missing_and_unreadable_pictures_are_counted_and_named(
    tmp_path: Path, vist: Path, damage: Callable[[Path, str], None], reason: str
) -> None:
    photo = json.loads((vist / "sis/test.story-in-sequence.json").read_text())["images"][2]["id"]
    damage(vist, photo)
    outcome = run(tmp_path / "run", data=str(vist), settings=("vist.unreadable=count",))
    assert outcome.complete
    # The same stories in every context, although one caption alone needs no third picture.
    assert {(row.n_expected, row.n_scored, row.n_missing, row.n_failed) for row in outcome.results.rows} == {
        (8, 6, 2, 0)
    }
    assert [item.example for item in outcome.results.missing] == ["1024", "1025"]
    assert all(photo in item.reason and reason in item.reason for item in outcome.results.missing)


def test_a_file_that_is_no_picture_is_refused_before_anything_is_loaded(tmp_path: Path, vist: Path) -> None:
    photo = json.loads((vist / "sis/test.story-in-sequence.json").read_text())["images"][2]["id"]
    write_text(vist, photo)
    with pytest.raises(InputError, match=rf"1 of 15 pictures cannot be read: .*{photo}.png: not a picture") as caught:
        make_plan(run_request(tmp_path / "run", data=str(vist)))
    assert "--set vist.unreadable=count" in str(caught.value)


def test_a_context_may_use_every_story_it_can(tmp_path: Path, vist: Path) -> None:
    photo = json.loads((vist / "sis/test.story-in-sequence.json").read_text())["images"][2]["id"]
    damage_nothing(vist, photo)
    settings = ("vist.stories=context",)
    rows = run(tmp_path / "run", data=str(vist), settings=settings).results.rows
    assert {(row.context, row.n_scored) for row in rows} == {
        ("1-caption", 6),
        ("5-captions", 6),
        ("5-captions-4-images", 6),
    }


def test_data_without_any_usable_example_is_refused_before_loading(tmp_path: Path, vist: Path) -> None:
    for file in sorted((vist / "images" / "test").iterdir())[1:]:
        file.unlink()
    with pytest.raises(InputError, match="none of the 32 examples of vist can be asked with 1-caption; example 1024"):
        make_plan(run_request(tmp_path / "run", data=str(vist)))


def test_a_changed_text_is_asked_again_and_a_changed_reference_only_scored_again(
    tmp_path: Path, vist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def again() -> dict[tuple[str, str, int], float | None]:
        rows = run(tmp_path / "run", data=str(vist), limit=2).results.rows
        return {(row.context, row.metric, row.seed): row.value for row in rows}

    first = again()
    before = picture_digests(tmp_path / "run")
    file = vist / "sis" / "test.story-in-sequence.json"
    content = json.loads(file.read_text())
    target = content["annotations"][4][0]["photo_flickr_id"]
    Image.new("RGB", (32, 32), "red").save(vist / "images" / "test" / f"{target}.png")
    second = again()
    assert picture_digests(tmp_path / "run") == before
    assert all(second[key] != first[key] for key in first)

    content["annotations"][0][0]["text"] = "another first caption ."
    file.write_text(json.dumps(content))
    capsys.readouterr()
    third = again()
    assert (
        "the texts or pictures of 1 stored examples have changed (1024); their outputs are made again"
        in capsys.readouterr().err
    )
    assert {key[0] for key in first if third[key] != second[key]} == {"5-captions", "5-captions-4-images"}


def test_one_failing_example_takes_no_other_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan(run_request(tmp_path / "run"))
    story = plan.cells[0].cell.task.examples[1]  # "then it went", not "it went": only the second of its sequence
    monkeypatch.setenv("NOISY_FAIL_ON", " ".join(turn.text for turn in story.turns))
    outcome = run(tmp_path / "run", contexts=("5-captions", "1-caption"))
    assert [failure.example for failure in outcome.failures] == [story.id]
    assert {(row.context, row.n_scored, row.n_failed) for row in outcome.results.rows} == {
        ("1-caption", 6, 0),
        ("5-captions", 5, 1),
    }
    monkeypatch.delenv("NOISY_FAIL_ON")
    assert run(tmp_path / "run", contexts=("5-captions", "1-caption")).complete
    run(tmp_path / "whole", contexts=("5-captions", "1-caption"))
    assert results(tmp_path / "run") == results(tmp_path / "whole")


def test_a_failing_unit_is_reported_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan(run_request(tmp_path / "run"))
    story = plan.cells[0].cell.task.examples[5]
    monkeypatch.setenv("NOISY_FAIL_ON", story.turns[0].text)
    outcome = run(tmp_path / "run", contexts=("5-captions",))
    assert not outcome.complete
    assert [failure.reason for failure in outcome.failures] == ["RuntimeError: the planted failure"] * 2
    assert {failure.where.partition(":")[0] for failure in outcome.failures} == {"noisy.py"}
    assert {(row.n_scored, row.n_failed) for row in outcome.results.rows} == {(4, 2)}
    monkeypatch.delenv("NOISY_FAIL_ON")
    assert run(tmp_path / "run", contexts=("5-captions",)).complete
    run(tmp_path / "whole", contexts=("5-captions",))
    assert results(tmp_path / "run") == results(tmp_path / "whole")


def test_a_model_that_fails_on_everything_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOISY_FAIL_ON", " ")
    with pytest.raises(
        GillBenchError, match="3 examples failed, more than --max-failures 2, the last with RuntimeError"
    ):
        run(tmp_path / "run", max_failures=2)


def test_a_full_disk_stops_the_run_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.fsync, 0

    def full(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 30:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            run(tmp_path / "run")
    assert 0 < len(list((tmp_path / "run").glob("units/*/*/*/*/unit.json"))) < 6
    run(tmp_path / "run")
    run(tmp_path / "whole")
    assert tree(tmp_path / "run") == tree(tmp_path / "whole")


def test_an_output_folder_that_cannot_be_written_is_refused_first(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write there"):
        make_plan(run_request(tmp_path / "file" / "run", data="nowhere at all"))


def test_a_picture_altered_after_the_fact_is_found(tmp_path: Path) -> None:
    run(tmp_path / "run", contexts=("1-caption",))
    for file in (tmp_path / "run").rglob("score-*.json"):
        file.unlink()
    altered = sorted((tmp_path / "run").rglob("*.png"))[3]
    Image.new("RGB", (8, 8)).save(altered)
    with pytest.raises(GillBenchError, match="its content is not what the model made") as caught:
        score(tmp_path / "run", "cpu")
    assert str(altered) in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        ("unit.json", cut),
        ("samples.jsonl", cut),
        ("*.png", Path.unlink),
        ("score-*.json", cut),
        ("score-*.json", change_a_score),
        ("results.json", cut),
        ("results.json", change_a_result),
        ("env.json", cut),
        ("spec.json", Path.unlink),
    ],
)
def test_a_damaged_file_is_named_and_made_again(
    tmp_path: Path, pattern: str, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "run", contexts=("1-caption",))
    whole = tree(tmp_path / "run")
    damaged = next((tmp_path / "run").rglob(pattern))
    damage(damaged)
    capsys.readouterr()
    assert run(tmp_path / "run", contexts=("1-caption",)).complete
    said = capsys.readouterr().err
    assert pattern == "spec.json" or str(damaged) in said
    aside = tmp_path / "run" / "env.json.damaged"
    assert aside.exists() is (pattern == "env.json")  # what it says of earlier sessions is nowhere else
    aside.unlink(missing_ok=True)
    assert tree(tmp_path / "run") == whole


def without_digest(file: Path) -> None:
    content = json.loads(file.read_text())
    del content["sha256"]
    file.write_text(json.dumps(content))


@pytest.mark.parametrize("pattern", ["score-*.json", "results.json"])
def test_a_file_without_its_seal_is_damaged(tmp_path: Path, pattern: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    run(out, limit=2, seeds=1, contexts=("1-caption",))
    whole = tree(out)
    file = next(out.rglob(pattern))
    without_digest(file)
    assert [problem.file for problem in verify(out).problems] == [file.relative_to(out).as_posix()]
    with pytest.raises(InputError, match="altered since it was written: its 'sha256' is gone"):
        RunReader.open(out).values(CellKey("vist", "noisy", "1-caption"), "clip-similarity[mini]")
    capsys.readouterr()
    assert run(out, limit=2, seeds=1, contexts=("1-caption",)).complete
    assert f"warning: {file}: damaged: altered since" in capsys.readouterr().err
    assert tree(out) == whole


def test_temporary_files_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run(out, contexts=("1-caption",))
    whole = tree(out)
    score = next(out.rglob("score-*.json"))
    for left in (out / ".write-test.1", out / ".spec.json.1.tmp", score.with_name(f".{score.name}.1.tmp")):
        left.write_text("{")
    score.unlink()
    run(out, contexts=("1-caption",))
    assert tree(out) == whole


def test_data_that_moved_is_named_when_scoring(tmp_path: Path, vist: Path) -> None:
    run(tmp_path / "run", data=str(vist), contexts=("1-caption",))
    before = results(tmp_path / "run")
    vist.rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="name its folder: --data DIR"):
        score(tmp_path / "run", "cpu")
    score(tmp_path / "run", "cpu", data=str(tmp_path / "elsewhere"))
    assert results(tmp_path / "run") == before


def test_leftovers_of_a_kill_are_not_units(tmp_path: Path) -> None:
    run(tmp_path / "whole")
    run(tmp_path / "run")
    for number, unit in enumerate(sorted((tmp_path / "run").rglob("unit.json"))[:3]):
        unit.unlink()
        (unit.parent / "samples.jsonl").write_text("half a li")
        (unit.parent / f".unit.json.{number}.tmp").write_text("{")
    run(tmp_path / "run")
    assert tree(tmp_path / "run") == tree(tmp_path / "whole")


def test_paths_inside_a_run_are_relative_and_secrets_stay_out(
    tmp_path: Path, vist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["gill-bench", "run", "--data", str(vist), "--hf-token=abc123", "--out=/x/y"])
    run(tmp_path / "run", data=str(vist), limit=1, contexts=("1-caption",))
    for name in ("spec.json", "env.json", "results.json"):
        text = (tmp_path / "run" / name).read_text()
        assert str(tmp_path) not in text
        assert "abc123" not in text
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "run").rename(moved / "run")
    vist.rename(moved / "vist")
    score(moved / "run", "cpu")


def values(rows: tuple[Row, ...]) -> dict[tuple[str, str, int], float | None]:
    return {(row.context, row.metric.split("[")[0], row.seed): row.value for row in rows}


def test_the_authors_layout_overwrites_by_target_picture(tmp_path: Path) -> None:
    """Two stories share each photo sequence: the second one's picture replaces the first one's."""
    plain = run(tmp_path / "run", contexts=("5-captions",), limit=5).results.rows
    stored = {
        (name, seed): value
        for file in (tmp_path / "run").rglob("score-clip*.json")
        for name, seed, value in json.loads(file.read_text())["values"]
    }
    perceptual = {
        (name, seed): value
        for file in (tmp_path / "run").rglob("score-lpips*.json")
        for name, seed, value in json.loads(file.read_text())["values"]
    }
    before = picture_digests(tmp_path / "run")
    authors = run(
        tmp_path / "run", contexts=("5-captions",), limit=5, settings=("vist.layout=authors_layout",)
    ).results.rows
    assert picture_digests(tmp_path / "run") == before
    assert {row.signature for row in authors}.isdisjoint({row.signature for row in plain})
    for seed in (0, 1):
        # Stories 1024 and 1025 share a target, 1026 and 1027 the next, 1028 is alone within the limit.
        last = [("1025", seed), ("1027", seed), ("1028", seed)]
        clip = [stored[name] for name in (last[0], last[0], last[1], last[1], last[2])]
        assert values(authors)["5-captions", "clip-similarity", seed] == pytest.approx(sum(clip) / 5, abs=1e-12)
        lpips = [perceptual[name] for name in last]
        assert values(authors)["5-captions", "lpips", seed] == pytest.approx(sum(lpips) / 3, abs=1e-12)


def test_shared_noise_is_in_the_signature_and_counts_stories(tmp_path: Path) -> None:
    plan = make_plan(run_request(tmp_path / "run", settings=("vist.noise=shared",)))
    cell = plan.cells[0].cell
    noise = [cell.task.noise(1, example, position) for example, position, _ in cell.usable.values()]
    assert [(sample_noise.seed, sample_noise.skip) for sample_noise in noise] == [
        (1, position) for position in range(6)
    ]
    rows = run(tmp_path / "run", settings=("vist.noise=shared",)).results.rows
    assert all("|noise:shared|" in row.signature for row in rows)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("vist.nose=shared", "--set vist.nose: unknown setting; did you mean 'noise'"),
        ("vist.noise=sharde", "noise = 'sharde'; did you mean 'shared'"),
        ("noisy.sied=4", "unknown setting 'sied'; did you mean 'side'"),
        ("noisy.style=dotted", "style = 'dotted': input should be 'plain' or 'striped'"),
        ("nosy.side=4", "'nosy' is neither a task nor a model of this command; did you mean 'noisy'"),
        ("side=4", "expected CARD.KEY=VALUE"),
        ("vist.picture_size=-1", "picture_size = -1"),
    ],
)
def test_wrong_settings_are_refused_with_the_nearest_name(tmp_path: Path, setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_plan(run_request(tmp_path / "run", settings=(setting,)))


def test_units_are_blocks_of_the_data_whatever_is_missing(tmp_path: Path, vist: Path) -> None:
    photo = json.loads((vist / "sis/test.story-in-sequence.json").read_text())["images"][0]["id"]
    damage_nothing(vist, photo)
    plan = make_plan(run_request(tmp_path / "run", data=str(vist), limit=10))
    names = [[name for name, _ in unit.examples] for unit in plan.cells[0].pending]
    assert names == [["1026", "1027"], ["1028", "1029", "1030", "1031"], ["1032", "1033", "1034", "1035"]]


@pytest.mark.parametrize("how", ["missing", "unreadable"])
def test_a_limit_counts_examples_that_can_be_asked(
    tmp_path: Path, vist: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    """Two stories share a sequence of five photos: of the first, third and fourth sequence, one photo cannot be had."""
    for sequence in (0, 2, 3):
        file = vist / "images" / "test" / f"{100000 + 5 * sequence + 1}.png"
        file.unlink() if how == "missing" else file.write_bytes(b"no picture")
    options = {"data": str(vist), "settings": ("vist.unreadable=count",), "contexts": ("1-caption",), "limit": 5}
    usable = ["1026", "1027", "1032", "1033", "1034"]
    plan = make_plan(run_request(tmp_path / "run", **options))
    assert list(plan.cells[0].cell.usable) == usable
    assert "--limit 5: 5 examples have all their pictures, among the first 11 of 32" in capsys.readouterr().err
    run_results = run(tmp_path / "run", **options).results
    assert {(row.n_expected, row.n_missing, row.n_scored) for row in run_results.rows} == {(11, 6, 5)}
    assert [missing.example for missing in run_results.missing] == ["1024", "1025", "1028", "1029", "1030", "1031"]
    options["limit"] = 0
    whole = make_plan(run_request(tmp_path / "whole", **options)).cells[0].pending
    blocks = [[name for name, _ in unit.examples] for unit in whole]
    assert [[name for name in block if name in usable] for block in blocks][:2] == [
        ["1026", "1027"],
        ["1032", "1033", "1034"],
    ]
    (grown,) = make_plan(run_request(tmp_path / "run", **options)).cells
    assert sum(len(unit.examples) for unit in grown.done.values()) == 5


def test_a_limit_counts_in_each_context_what_that_one_needs(tmp_path: Path, vist: Path) -> None:
    (vist / "images" / "test" / "100001.png").unlink()
    plan = make_plan(
        run_request(
            tmp_path / "run",
            data=str(vist),
            limit=3,
            contexts=("1-caption", "5-captions-4-images"),
            settings=("vist.stories=context",),
        )
    )
    usable = {planned.cell.context.name: list(planned.cell.usable) for planned in plan.cells}
    assert usable == {"1-caption": ["1024", "1025", "1026"], "5-captions-4-images": ["1026", "1027", "1028"]}


def test_a_limit_above_what_can_be_asked_takes_all(tmp_path: Path, vist: Path) -> None:
    for file in sorted((vist / "images" / "test").iterdir())[10:]:
        file.unlink()
    cell = make_plan(run_request(tmp_path / "run", data=str(vist), limit=30)).cells[0].cell
    assert (len(cell.usable), len(cell.examples)) == (4, 32)


def test_example_ids_cannot_leave_the_folder(tmp_path: Path) -> None:
    from gill_bench.rundir.load_units import read_samples
    from gill_bench.rundir.records import Unit
    from gill_bench.rundir.writer import Output

    ids = ("../../outside", "/etc/passwd", "a\nb", "x" * 300)
    unit = Unit("t", "m", "c", "r", tuple((name, "d") for name in ids), (0,))
    picture = Output(Image.new("RGB", (2, 2)))
    write_unit(tmp_path / "u" / unit.key, unit, [[picture]] * 4, [{}] * 4, {})
    folder = tmp_path / "u" / unit.key
    assert [sample.example for sample in read_samples(folder)] == list(ids)
    assert all((folder / sample.image).resolve().parent == folder for sample in read_samples(folder))
