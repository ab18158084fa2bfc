"""Runs of control contexts: paired with plain contexts, independent of other requested contexts, and stored alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gill_bench.datasets.controls import plain_name
from gill_bench.evaluate import score
from gill_bench.generation.prompts import build_prompts
from gill_bench.planning.plan import make_plan
from gill_bench.scoring.search import _Candidates
from gill_bench.scoring.stored import StoredCell
from tests.support.able import run as run_able
from tests.support.able import run_request as request_of_able
from tests.support.runs import picture_digests, results, run, run_request, tree

PLAIN = "5-captions-4-images"
FOREIGN = f"{PLAIN}@foreign-images"


def prompts(out: Path, context: str) -> dict[str, list[Any]]:
    files = (out / "units" / "vist" / "noisy" / context).glob("*/samples.jsonl")
    records = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return {record["example"]: record["prompt"] for record in records}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of all controls; not to be changed."""
    out = tmp_path_factory.mktemp("controls") / "run"
    assert run(out, contexts=("controls",), limit=8, seeds=1).complete
    return out


def test_controls_lie_beside_their_plain_contexts_and_change_nothing_of_them(whole: Path, tmp_path: Path) -> None:
    folders = {folder.name for folder in (whole / "units" / "vist" / "noisy").iterdir()}
    assert {PLAIN, FOREIGN, f"{PLAIN}@shuffled", f"{PLAIN}@blank-images", f"{PLAIN}@foreign-captions"} < folders
    assert run(tmp_path / "run", contexts=(PLAIN,), limit=8, seeds=1).complete
    plain = {name: content for name, content in tree(tmp_path / "run").items() if name.startswith("units")}
    assert plain
    assert plain.items() <= tree(whole).items()
    rows = {(row["context"], row["metric"]): row for row in results(whole)["rows"]}
    for context in folders:
        control_row, plain_row = rows[context, "lpips[mini]"], rows[plain_name(context), "lpips[mini]"]
        assert control_row["signature"] == plain_row["signature"]  # of the same examples, so that they are paired
        assert control_row["n_scored"] == 8


def test_donors_are_the_same_under_a_limit_and_in_parts_of_a_run(whole: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        run(tmp_path / "run", contexts=(FOREIGN,), limit=3, seeds=2, shard=(number, 2))
    few, many = prompts(tmp_path / "run", FOREIGN), prompts(whole, FOREIGN)
    assert len(few) == 3
    assert few.items() <= many.items()
    assert all(many[name] != prompt for name, prompt in prompts(whole, PLAIN).items())
    shared = {name: value for name, value in picture_digests(whole).items() if f"/{FOREIGN}/" in name}
    assert {name: picture_digests(tmp_path / "run")[name] for name in shared if name.split("/")[-2] in few}.items() <= (
        shared.items()
    )


def test_a_control_context_has_the_noise_of_its_plain_context(tmp_path: Path) -> None:
    for noise in ("per-example", "shared"):
        plan = make_plan(run_request(tmp_path / "run", contexts=(PLAIN, FOREIGN), settings=(f"vist.noise={noise}",)))
        plain, foreign = (planned.cell for planned in plan.cells)
        assert plain.usable.keys() == foreign.usable.keys()
        for name, usable in foreign.usable.items():
            own = plain.usable[name]
            assert foreign.task.noise(1, *usable[:2]) == plain.task.noise(1, *own[:2])
            assert usable.digest != own.digest


def test_scoring_controls_again_changes_nothing(whole: Path, tmp_path: Path) -> None:
    before = results(whole)
    assert score(whole).complete
    assert results(whole) == before
    assert run(whole, contexts=("controls",), limit=8, seeds=1).complete  # nothing is left to do
    assert not any(
        planned.pending for planned in make_plan(run_request(whole, contexts=("controls",), limit=8, seeds=1)).cells
    )


def test_contexts_named_all_leave_out_controls(tmp_path: Path) -> None:
    names = [planned.cell.context.name for planned in make_plan(run_request(tmp_path / "run", contexts=("all",))).cells]
    assert len(names) == 9
    assert not any("@" in name for name in names)
    more = make_plan(run_request(tmp_path / "run", contexts=("all", "controls"))).cells
    assert len(more) == 14


def test_a_missing_picture_of_a_donor_counts_as_missing(vist: Path, tmp_path: Path) -> None:
    shown = prompts_of_plan(tmp_path / "run", vist)
    gone = next(iter(shown.values()))[0]
    (vist / "images" / "test" / f"{gone}.png").unlink()
    lacking = {name for name, names in shown.items() if gone in names}
    request = run_request(tmp_path / "run", contexts=(PLAIN, FOREIGN), data=str(vist), limit=4)
    plain, foreign = (planned.cell for planned in make_plan(request).cells)
    assert set(plain.usable) - set(foreign.usable) == lacking & set(plain.usable) != set()
    assert len(foreign.examples) == len(plain.examples)
    for name in foreign.usable:
        assert prompts_of(foreign, name) == shown[name]  # the others keep their donors


def prompts_of_plan(out: Path, data: Path) -> dict[str, list[str]]:
    cell = make_plan(run_request(out, contexts=(FOREIGN,), data=str(data), limit=4)).cells[0].cell
    return {name: prompts_of(cell, name) for name in cell.usable}


def prompts_of(cell: Any, name: str) -> list[str]:
    parts = cell.task.segments(cell.usable[name].example, cell.context)
    return [part.id for part in parts if not isinstance(part, str)]


def test_a_changed_donor_makes_its_examples_stale(vist: Path, tmp_path: Path) -> None:
    wanted = {"contexts": (f"{PLAIN}@foreign-captions", PLAIN), "data": str(vist), "limit": 4, "seeds": 1}
    assert run(tmp_path / "run", **wanted).complete
    donors = {
        name: item.example.donor
        for name, item in make_plan(run_request(tmp_path / "run", **wanted)).cells[0].cell.usable.items()
    }
    changed = next(donor for donor in donors.values() if donor is not None and donor.id not in donors)
    file = vist / "sis" / "test.story-in-sequence.json"
    content = json.loads(file.read_text())
    for (record,) in content["annotations"]:
        if record["story_id"] == changed.id:
            record["text"] = "another caption ."
    file.write_text(json.dumps(content))
    control, plain = make_plan(run_request(tmp_path / "run", **wanted)).cells
    assert control.changed == tuple(sorted(name for name, donor in donors.items() if donor == changed))
    assert plain.changed == ()


def test_a_blank_picture_is_grey_and_as_large_as_the_one_it_hides(tmp_path: Path) -> None:
    request = run_request(
        tmp_path / "run", contexts=(PLAIN, f"{PLAIN}@blank-images"), settings=("vist.picture_size=0",)
    )
    plain, blank = (planned.cell for planned in make_plan(request).cells)
    name = next(iter(blank.usable))
    own, grey = (build_prompts(cell, [cell.usable[name][:2]])[0].prompt for cell in (plain, blank))
    assert grey.texts == own.texts
    assert [picture.size for picture in grey.images] == [picture.size for picture in own.images]
    assert all((np.asarray(picture) == 128).all() for picture in grey.images)


@pytest.mark.parametrize(
    ("task", "contexts"),
    [
        ("vqav2", ("question@foreign-image", "question@blank-image", "question@no-image")),
        ("visdial-answers", ("history@foreign-image", "history@foreign-rounds", "history@shuffled")),
        ("visdial-retrieval", ("10-rounds@foreign-rounds", "10-rounds@shuffled")),
        ("coco-captions", ("caption@foreign-image", "caption@no-image")),
        ("vist-retrieval", (FOREIGN, f"{PLAIN}@no-images")),
    ],
)
def test_every_kind_of_output_has_controls(tmp_path: Path, task: str, contexts: tuple[str, ...]) -> None:
    out = tmp_path / "run"
    outcome = run_able(out, task, contexts=contexts, limit=12)
    assert outcome.complete
    assert {row.context for row in outcome.results.rows} == set(contexts)
    assert all(row.n_scored == row.n_expected - row.n_missing for row in outcome.results.rows)
    again = score(out)
    assert again.results == outcome.results


def test_retrieval_does_not_find_the_foreign_pictures_that_it_was_shown(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run_able(out, "vist-retrieval", contexts=(FOREIGN,), limit=3)
    cell = next(
        p.cell
        for p in make_plan(request_of_able(out, "vist-retrieval", contexts=(FOREIGN,), limit=3)).cells
        if p.cell.candidates
    )
    candidates = _Candidates(StoredCell.read(cell, out).candidates)
    for name, usable in cell.usable.items():
        shown = {part.id for part in cell.task.segments(usable.example, cell.context) if not isinstance(part, str)}
        own = {turn.picture.id for turn in usable.example.turns[:-1] if turn.picture}
        assert {candidates.positions[picture] for picture in shown | own} == set(candidates.seen(cell, name))
        assert usable.example.target is not None
        assert candidates.positions[usable.example.target.id] not in candidates.seen(cell, name)
