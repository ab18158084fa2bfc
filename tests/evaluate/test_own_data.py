"""Data of one's own in JSON lines, from the card to the rows: every capability, contexts, controls and probes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import gill_bench
from gill_bench.cli import main
from gill_bench.errors import InputError
from gill_bench.rundir.load import read_results
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey
from tests.support.own_data import COLOURS, TEXTS, Colours, own_card, write_own_data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_own_data(tmp_path_factory.mktemp("own"))


def rows(card: Path, data: Path, out: Path) -> dict[tuple[str, str], float]:
    """Run a card with `Colours`, and return the values by context and metric."""
    gill_bench.run(card, models=[Colours], data=data, out=out)
    results = read_results(out / "results.json").rows
    return {(row.context, row.metric): row.value for row in results if row.seed == 0 and row.value is not None}


def test_pictures_are_found_among_those_of_the_list(tmp_path: Path, data: Path) -> None:
    card = own_card(tmp_path / "find.toml", "image-retriever", ["recall"])
    values = rows(card, data, tmp_path / "run")
    assert {metric: value for (_, metric), value in values.items()} == {"recall@1": 1, "recall@5": 1, "recall@10": 1}


def test_questions_are_answered_in_contexts_and_controls(tmp_path: Path, data: Path) -> None:
    contexts = ("full", "texts", "1-text-1-image", "full@foreign-images", "full@no-images")
    card = own_card(tmp_path / "ask.toml", "text-generator", ["vqa-accuracy"], contexts=contexts, prompt=TEXTS)
    values = rows(card, data, tmp_path / "run")
    accuracies = {context: value for (context, metric), value in values.items() if metric == "vqa-accuracy"}
    right = accuracies["full"]
    assert right > 0
    assert accuracies == {
        "full": right,
        "1-text-1-image": right,
        "texts": 0,
        "full@no-images": 0,
        "full@foreign-images": pytest.approx(accuracies["full@foreign-images"]),
    }
    assert accuracies["full@foreign-images"] < right


def test_answers_are_ranked(tmp_path: Path, data: Path) -> None:
    card = own_card(tmp_path / "rank.toml", "text-scorer", ["answer-ranking"])
    assert rows(card, data, tmp_path / "run")["full", "recall@1"] == 1


def test_pictures_are_made_without_a_metric(tmp_path: Path, data: Path) -> None:
    card = own_card(tmp_path / "paint.toml", "image-generator", [], contexts=("texts",))
    gill_bench.run(card, models=[Colours], data=data, out=tmp_path / "run")
    samples = list(RunReader.open(tmp_path / "run").samples(CellKey("paint", "colours", "texts")))
    assert len(samples) == 2 * len(COLOURS)
    assert {sample.example for sample in samples} == {f"ex/{number} é" for number in range(len(COLOURS))}
    assert {sample.cluster for sample in samples} == {"c0", "c1", "c2", "c3"}


def test_a_probe_says_which_parts_are_read(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "colours.py"
    model.write_text("from tests.support.own_data import Colours as Base\n\nclass Colours(Base):\n    pass\n")
    card = own_card(tmp_path / "probed.toml", "text-generator", ["vqa-accuracy"], prompt=TEXTS)
    words = ["probe", f"{model}:Colours", "--task", str(card), "--data", str(data), "--json"]
    assert main(words) == 0
    parts = json.loads(capsys.readouterr().out)["parts"]
    verdicts = {(part["kind"], part["position"]): part["verdict"] for part in parts}
    assert verdicts == {("text", 1): "not read", ("picture", 1): "read", ("text", 2): "not read"}


def test_data_check_counts_pictures_and_names_the_faulty_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_own_data(tmp_path / "data")
    card = own_card(tmp_path / "check.toml", "text-generator", ["vqa-accuracy"], prompt=TEXTS)
    check = ["data", "check", str(card), "--data", str(folder)]
    assert main(check) == 0
    assert "all 8 are there" in capsys.readouterr().out
    (folder / "own/pics/3.png").unlink()
    cut = folder / "own/pics/4.png"
    cut.write_bytes(cut.read_bytes()[:60])
    assert main(check) == 4
    out = capsys.readouterr().out
    assert "examples    8; usable: 5 in every context" in out
    assert "1 missing: pics/3.png" in out
    assert "pics/4.png: damaged" in out
    lines = (folder / "own/test.jsonl").read_text().splitlines()
    lines[5] = lines[5].replace('"answers"', '"answer"')
    (folder / "own/test.jsonl").write_text("\n".join(lines))
    assert main(check) == 2
    assert "test.jsonl, line 6: unknown field 'answer'; did you mean 'answers'?" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("capability", "metric", "field", "message"),
    [
        ("image-retriever", "recall", "target", "1 of 8 examples have no target, which the metric recall needs"),
        ("text-generator", "vqa-accuracy", "answers", "have no answers, which the metric vqa-accuracy needs"),
        ("text-scorer", "answer-ranking", "right", "have no fact 'gt_index', which the metric answer-ranking needs"),
    ],
)
def test_data_without_what_a_metric_needs_is_refused_before_anything_is_asked(
    tmp_path: Path, capability: str, metric: str, field: str, message: str
) -> None:
    folder = write_own_data(tmp_path / "data")
    file = folder / "own/test.jsonl"
    first, *others = file.read_text().splitlines()
    record = {key: value for key, value in json.loads(first).items() if key not in (field, "right")}
    file.write_text("\n".join([json.dumps(record), *others]))
    card = own_card(tmp_path / "lacks.toml", capability, [metric], prompt=TEXTS)
    with pytest.raises(InputError, match=message):
        gill_bench.run(card, models=[Colours], data=folder, out=tmp_path / "run")
