"""Searching among converted embeddings, where the pictures themselves are nowhere to be had."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gill_bench.cli import main
from gill_bench.embeddings.store import read_embeddings, write_embeddings
from gill_bench.errors import GillBenchError, InputError
from gill_bench.evaluate import Outcome
from gill_bench.mini.embedded import world_folder
from gill_bench.planning.plan import make_plan
from tests.support.able import records, rows_by_metric, run, run_request


@pytest.fixture(scope="module")
def among_pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    out = tmp_path_factory.mktemp("pictures") / "run"
    return out, run(out, "partiprompts", contexts=("heuristic",))


@pytest.fixture
def data(tmp_path: Path, among_pictures: tuple[Path, Outcome]) -> Path:
    """The data of partiprompts, with able's embeddings of the candidates in place of their pictures."""
    folder = tmp_path / "data"
    shutil.copytree(world_folder() / "partiprompts", folder / "partiprompts")
    candidates = records(among_pictures[0], "partiprompts", "candidates")
    vectors = np.stack([record["vector"] for record in candidates.values()])
    (folder / "partiprompts" / "cc3m").mkdir()
    write_embeddings(
        folder / "partiprompts" / "cc3m" / "able", [vectors], [f"https://a.b/{name}" for name in candidates]
    )
    return folder


def searched(out: Path, data: Path, **changes: Any) -> Outcome:
    settings = ("partiprompts.candidates=cc3m", "partiprompts.train=150")
    more = {"contexts": ("heuristic",), "metric_weights": "mini", "settings": settings, **changes}
    return run(out, "partiprompts", data=str(data), **more)


def values(outcome: Outcome) -> dict[tuple[str, int], float | None]:
    return {key: row.value for key, row in rows_by_metric(outcome).items()}


def test_converted_candidates_give_the_numbers_of_their_pictures(
    among_pictures: tuple[Path, Outcome], data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    outcome = searched(out, data)
    assert outcome.complete
    assert values(outcome) == values(among_pictures[1])
    assert len(values(outcome)) == 4
    assert not (out / "units" / "partiprompts" / "able" / "candidates").exists()
    signatures = {row.signature for row in rows_by_metric(outcome).values()}
    assert all("|candidates:converted/" in signature for signature in signatures)
    assert str(tmp_path) not in "".join(signatures)


def test_changed_embeddings_of_candidates_are_scored_again(data: Path, tmp_path: Path) -> None:
    out, folder = tmp_path / "run", data / "partiprompts" / "cc3m" / "able"
    before = searched(out, data)
    stored = read_embeddings(folder)
    vectors, paths = np.array(stored.vectors), [stored.path(number) for number in range(len(stored))]
    shutil.rmtree(folder)
    prompts = np.stack([record["vector"] for record in records(out, "partiprompts", "heuristic").values()])
    write_embeddings(folder, [np.concatenate([vectors, prompts])], [*paths, *(f"p{n}" for n in range(len(prompts)))])
    after = searched(out, data)
    # Every prompt now finds itself, so that everything is retrieved.
    assert values(after) != values(before)
    kept = [{row.signature for row in rows_by_metric(outcome).values()} for outcome in (before, after)]
    assert kept[0].isdisjoint(kept[1])


def test_embeddings_of_another_model_are_not_searched(data: Path, tmp_path: Path) -> None:
    folder = data / "partiprompts" / "cc3m"
    (folder / "able").rename(folder / "gill")
    with pytest.raises(InputError, match="no pictures for partiprompts to search among"):
        searched(tmp_path / "run", data)


def test_embeddings_of_another_width_are_refused(data: Path, tmp_path: Path) -> None:
    folder = data / "partiprompts" / "cc3m" / "able"
    shutil.rmtree(folder)
    write_embeddings(folder, [np.ones((2, 3), np.float32)], ["a", "b"])
    with pytest.raises(GillBenchError, match="able: embeddings of width 3, but the model's are of width 6"):
        searched(tmp_path / "run", data)


def test_a_search_without_pictures_and_embeddings_is_refused(data: Path, tmp_path: Path) -> None:
    shutil.rmtree(data / "partiprompts" / "cc3m" / "able")
    settings = ("partiprompts.candidates=cc3m", "partiprompts.train=150")
    with pytest.raises(InputError, match="or embeddings of them"):
        make_plan(
            run_request(tmp_path / "run", "partiprompts", data=str(data), metric_weights="mini", settings=settings)
        )


def test_the_data_check_counts_converted_candidates(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["--set", "partiprompts.candidates=cc3m", "--set", "partiprompts.train=150"]
    words = ["data", "check", "partiprompts", "--data", str(data), *settings, "--json"]
    assert main(words) == 0
    [task] = json.loads(capsys.readouterr().out)["tasks"]
    assert task["usable"]["heuristic"] == task["usable"]["decide"] > 0
    assert task["warnings"] == []
