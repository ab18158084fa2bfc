"""Every kind of output, from a run to its rows: values against naive calculations from what is stored."""

from __future__ import annotations

import json
import shutil
import statistics
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from gill_bench.evaluate import Outcome, cells_of, execute
from gill_bench.metrics.functional.captions import caption_scores
from gill_bench.metrics.functional.vqa import vqa_accuracy
from gill_bench.mini.embedded import world_folder
from gill_bench.mini.writers.visdial import DIALOGS
from gill_bench.planning.cells import Cell
from gill_bench.planning.metrics import metrics_of
from gill_bench.planning.plan import make_plan
from gill_bench.rundir.rows import Row
from gill_bench.training.decision import SEED, train_decision
from tests.support.able import chance_of_hit, counts, dot_product, records, rows_by_metric, run, run_request


def cell_of(out: Path, context: str) -> Cell:
    (stored_cell,) = (cell for cell in cells_of(out) if cell.context.name == context and cell.model == "able")
    return stored_cell


def check_values(by_metric: dict[tuple[str, int], Row], expected: dict[str, float]) -> None:
    assert {metric for metric, _ in by_metric} == set(expected)
    for (metric, _), row in by_metric.items():
        assert row.value == pytest.approx(expected[metric], abs=1e-9), metric


def test_recall_of_stories_is_that_of_the_stored_embeddings(tmp_path: Path) -> None:
    out = tmp_path / "run"
    outcome = run(out, "vist-retrieval", contexts=("sweep",), limit=20)
    assert outcome.complete
    pictures = records(out, "vist-retrieval", "candidates")
    assert len(pictures) == 120  # whatever the limit
    for context in ("1-caption", "5-captions", "5-captions-4-images"):
        prompts = records(out, "vist-retrieval", context)
        hits: dict[str, list[float]] = {f"recall@{k}": [] for k in (1, 5, 10)}
        for name, (example, _, _) in cell_of(out, context).usable.items():
            assert example.target is not None
            seen = {turn.picture.id for turn in example.turns[:-1] if turn.picture}
            assert len(seen) == 4
            scores = {
                p: dot_product(r["vector"], prompts[name]["vector"]) for p, r in pictures.items() if p not in seen
            }
            for k in (1, 5, 10):
                hits[f"recall@{k}"].append(chance_of_hit(scores, example.target.id, k))
        by_metric = rows_by_metric(outcome, context)
        check_values(by_metric, {metric: sum(values) / 20 for metric, values in hits.items()})
        assert {counts(row) for row in by_metric.values()} == {(20, 20, 0, 0)}
    assert not any(row.context == "candidates" for row in outcome.results.rows)


def test_recall_of_dialogs_in_both_directions_is_that_of_the_stored_embeddings(tmp_path: Path) -> None:
    out = tmp_path / "run"
    outcome = run(out, "visdial-retrieval")
    pictures, prompts = (records(out, "visdial-retrieval", context) for context in ("candidates", "10-rounds"))
    examples = cell_of(out, "10-rounds").usable
    target = {name: example.target.id for name, (example, _, _) in examples.items() if example.target}
    names = list(target)
    table = {(a, b): dot_product(prompts[a]["vector"], pictures[target[b]]["vector"]) for a in names for b in names}
    expected = {}
    for k in (1, 5, 10):
        of_prompts = [chance_of_hit({b: table[a, b] for b in names}, a, k) for a in names]
        of_pictures = [chance_of_hit({a: table[a, b] for a in names}, b, k) for b in names]
        expected[f"recall@{k}"] = sum(of_prompts) / DIALOGS
        expected[f"recall-image-to-text@{k}"] = sum(of_pictures) / DIALOGS
    check_values(rows_by_metric(outcome), expected)
    assert expected["recall@10"] != expected["recall-image-to-text@10"]
    assert {counts(row) for row in outcome.results.rows} == {(DIALOGS, DIALOGS, 0, 0)}


def test_accuracy_of_questions_is_that_of_the_stored_texts(tmp_path: Path) -> None:
    out = tmp_path / "run"
    by_metric = rows_by_metric(run(out, "vqav2", limit=90))
    texts = {name: record["output"]["text"] for name, record in records(out, "vqav2", "question").items()}
    raw = json.loads((world_folder() / "vqav2" / "v2_mscoco_val2014_annotations.json").read_text())["annotations"]
    annotation_of = {
        str(annotation["question_id"]): annotation for annotation in raw if str(annotation["question_id"]) in texts
    }
    assert len(annotation_of) == 90
    cut = {name: text.split("\n")[0].split(",")[0].split(".")[0].strip().lower() for name, text in texts.items()}
    accuracy = {
        name: vqa_accuracy(cut[name], [a["answer"] for a in annotation["answers"]])
        for name, annotation in annotation_of.items()
    }
    assert by_metric["vqa-accuracy", 0].value == pytest.approx(sum(accuracy.values()) / 90)
    assert 0 < sum(accuracy.values()) < 90
    metrics = {"vqa-accuracy"}
    for field in ("answer_type", "question_type"):
        for value, size in Counter(annotation[field] for annotation in annotation_of.values()).items():
            metric = f"vqa-accuracy/{field}/{value}"
            metrics.add(metric)
            values = [accuracy[name] for name, annotation in annotation_of.items() if annotation[field] == value]
            assert counts(by_metric[metric, 0]) == (size, size, 0, 0)
            assert by_metric[metric, 0].value == pytest.approx(sum(values) / size)
    assert {metric for metric, _ in by_metric} == metrics


@pytest.mark.skipif(shutil.which("java") is None, reason="no Java on PATH")
def test_caption_scores_are_those_of_the_stored_texts(tmp_path: Path) -> None:
    out = tmp_path / "run"
    by_metric = rows_by_metric(run(out, "coco-captions", limit=20))
    texts = {name: record["output"]["text"] for name, record in records(out, "coco-captions", "caption").items()}
    raw = json.loads((world_folder() / "coco" / "annotations" / "captions_val2017.json").read_text())["annotations"]
    references = {name: [a["caption"] for a in raw if str(a["image_id"]) == name] for name in texts}
    cut = {name: text.partition(".")[0] for name, text in texts.items()}
    check_values(by_metric, caption_scores(cut, references).corpus)
    assert {counts(row) for row in by_metric.values()} == {(20, 20, 0, 0)}


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """PartiPrompts in all its contexts, with two seeds."""
    out = tmp_path_factory.mktemp("decided") / "run"
    models = ("able", "always-retrieve", "always-generate", "random", "human")
    outcome = run(out, "partiprompts", contexts=("all",), seeds=2, models=models)
    assert outcome.complete
    return out, outcome


def of_parts(out: Path) -> tuple[dict[str, str], list[str], list[str]]:
    """The labels of all prompts, and the names of the prompts in the train part and in the test part."""
    facts_of = {name: example.facts for name, (example, _, _) in cell_of(out, "decide").usable.items()}
    train, test = ([name for name, facts in facts_of.items() if facts["part"] == part] for part in ("train", "test"))
    return {name: facts["label"] for name, facts in facts_of.items()}, train, test


def macro(truth: list[str], predicted: list[str]) -> float:
    return float(f1_score(truth, predicted, average="macro", labels=["gen", "ret"], zero_division=0))


def accuracy(truth: list[str], predicted: list[str]) -> float:
    return statistics.mean(float(t == p) for t, p in zip(truth, predicted, strict=True))


def sweep(truth: list[str], retrieve: np.ndarray, both: bool) -> dict[str, float]:
    """Macro F1 at one half and its extremes over the grid; with `both`, "gen" must not exceed the threshold too."""

    def at(t: float) -> list[str]:
        return ["ret" if v > t and not (both and 1 - v > t) else "gen" for v in retrieve.tolist()]

    grid = [macro(truth, at(step / 100)) for step in range(101)]
    values = {"macro-f1": macro(truth, at(0.5)), "macro-f1-min": min(grid), "macro-f1-max": max(grid)}
    return values | {"decision-accuracy": accuracy(truth, at(0.5))}


def test_macro_f1_is_that_of_the_models_stored_decisions(decided: tuple[Path, Outcome]) -> None:
    out, outcome = decided
    labels, train, test = of_parts(out)
    assert (len(train), len(labels)) == (150, 246)
    stored = records(out, "partiprompts", "decide")
    chances = np.array([stored[name]["output"]["probability"] for name in test])
    by_metric = rows_by_metric(outcome, "decide")
    check_values(by_metric, sweep([labels[name] for name in test], chances, both=True))
    assert {(seed, counts(row)) for (_, seed), row in by_metric.items()} == {(0, (96, 96, 0, 0))}


def test_macro_f1_by_similarity_is_that_of_the_stored_embeddings(decided: tuple[Path, Outcome]) -> None:
    out, outcome = decided
    labels, _, test = of_parts(out)
    prompts = records(out, "partiprompts", "heuristic")
    pictures = np.stack([record["vector"] for record in records(out, "partiprompts", "candidates").values()])
    largest = np.stack([prompts[name]["vector"] for name in test]).astype(np.float64) @ pictures.T.astype(np.float64)
    assert pictures.shape[0] == 120
    check_values(
        rows_by_metric(outcome, "heuristic"), sweep([labels[name] for name in test], largest.max(axis=1), both=False)
    )


def test_macro_f1_of_a_classifier_is_that_of_the_stored_features_for_each_seed(decided: tuple[Path, Outcome]) -> None:
    import torch

    out, outcome = decided
    labels, train, test = of_parts(out)
    stored = records(out, "partiprompts", "classifier")
    features = {name: record["vector"] for name, record in stored.items()}
    by_metric = rows_by_metric(outcome, "classifier")
    for seed in (0, 1):
        targets = np.array([labels[name] == "ret" for name in train], dtype=np.int64)
        model = train_decision(np.stack([features[name] for name in train]), targets, seed=SEED + seed)
        decisions = model(torch.from_numpy(np.stack([features[name] for name in test])))
        expected = sweep(
            [labels[n] for n in test], np.array([decision.probability for decision in decisions]), both=True
        )
        check_values({key: row for key, row in by_metric.items() if key[1] == seed}, expected)
    assert {counts(row) for row in by_metric.values()} == {(96, 96, 0, 0)}
    assert len(by_metric) == 8


def test_macro_f1_of_rules_is_that_of_the_labels(decided: tuple[Path, Outcome]) -> None:
    out, outcome = decided
    labels, train, test = of_parts(out)
    examples = cell_of(out, "decide").usable
    for context, names in (("test-labels", test), ("all-labels", list(labels))):
        truth = [labels[name] for name in names]
        for model, label in (("always-retrieve", "ret"), ("always-generate", "gen")):
            by_metric = rows_by_metric(outcome, context, model)
            predicted = [label] * len(truth)
            expected = {"macro-f1": macro(truth, predicted), "decision-accuracy": accuracy(truth, predicted)}
            check_values(by_metric, expected)
            assert {counts(row) for row in by_metric.values()} == {(len(names), len(names), 0, 0)}
        votes = [examples[name][0].facts["votes"].split(",") for name in names]
        each = []
        for annotator in range(5):
            pairs = [(t, v[annotator]) for t, v in zip(truth, votes, strict=True) if v[annotator] != "same"]
            each.append(macro([t for t, _ in pairs], [v for _, v in pairs]))
        (row,) = rows_by_metric(outcome, context, "human").values()
        assert row.value == pytest.approx(statistics.mean(each))
        rng, prior = np.random.default_rng(0), np.mean([labels[name] == "ret" for name in train])
        draws = [macro(truth, np.where(rng.random(len(truth)) < prior, "ret", "gen").tolist()) for _ in range(80)]
        random = rows_by_metric(outcome, context, "random")
        assert random["macro-f1", 0].value == pytest.approx(statistics.mean(draws), abs=0.02)
        assert random["macro-f1-of-a-draw-sd", 0].value == pytest.approx(statistics.stdev(draws), rel=0.3)


def test_ranks_of_answers_are_those_of_the_stored_scores(tmp_path: Path) -> None:
    out = tmp_path / "run"
    by_metric = rows_by_metric(run(out, "visdial-answers", limit=60))
    stored = records(out, "visdial-answers", "history")
    facts_of = {name: example.facts for name, (example, _, _) in cell_of(out, "history").usable.items()}
    hits: dict[int, list[float]] = {k: [] for k in (1, 5, 10, 20)}
    reciprocal, ranks, gains = [], [], []
    for name, facts in facts_of.items():
        scores = dict(enumerate(map(np.float32, stored[name]["output"]["scores"])))
        assert len(scores) == 100
        target = int(facts["gt_index"])
        for k, values in hits.items():
            values.append(chance_of_hit(scores, target, k))  # type: ignore[arg-type]
        better = sum(s > scores[target] for s in scores.values())
        possible_ranks = range(better + 1, better + 1 + sum(s == scores[target] for s in scores.values()))
        reciprocal.append(statistics.mean(1 / rank for rank in possible_ranks))
        ranks.append(statistics.mean(possible_ranks))
        if facts.get("dense") == "yes":
            gains.append(naive_ndcg(stored[name]["output"]["scores"], json.loads(facts["relevance"])))
    assert len(gains) == 6
    expected = {f"recall@{k}": statistics.mean(values) for k, values in hits.items()}
    expected |= {"mrr": statistics.mean(reciprocal), "mean-rank": statistics.mean(ranks)}
    check_values(by_metric, expected | {"ndcg": statistics.mean(gains)})
    assert counts(by_metric["recall@1", 0]) == (60, 60, 0, 0)
    assert counts(by_metric["ndcg", 0]) == (6, 6, 0, 0)


def naive_ndcg(scores: list[float], relevance: list[float]) -> float:
    """NDCG over as many ranks as there are relevant options; equal scores share the gain of their ranks."""
    from sklearn.metrics import ndcg_score

    return float(ndcg_score([relevance], [scores], k=sum(gain > 0 for gain in relevance)))


@pytest.mark.parametrize(
    ("limit", "scored"),
    [(7, 1), (6, 0)],  # the first dialog is annotated in its seventh round
)
def test_a_limit_within_a_dialog_keeps_the_annotated_rounds(tmp_path: Path, limit: int, scored: int) -> None:
    outcome = run(tmp_path / "run", "visdial-answers", limit=limit)
    assert outcome.complete
    assert [counts(row) for (metric, _), row in rows_by_metric(outcome).items() if metric == "ndcg"] == [
        (1, 1, 0, 0)
    ] * scored


@pytest.mark.parametrize("task", ["coco-fid", "cc3m-fid"])
def test_fid_is_that_of_the_stored_pictures(tmp_path: Path, task: str) -> None:
    from gill_bench.metrics.fid import load
    from gill_bench.storage.images import load_image

    out = tmp_path / "run"
    outcome = execute(make_plan(run_request(out, task, limit=80, settings=(f"{task}.min_samples=80",))))
    by_metric = rows_by_metric(outcome)
    assert {counts(row) for row in by_metric.values()} == {(80, 80, 0, 0)}
    cell = cell_of(out, "caption")
    (resolved,) = metrics_of(cell.task)
    assert resolved.backbone is not None
    network = load(resolved.backbone.path, resolved.settings, "cpu")
    files = [
        sorted((out / "units" / task / "able" / "caption").glob("*/*.png")),
        [picture.file for picture in cell.task.references if picture.file],
    ]
    assert len(files[1]) == cell.task.available
    sides = []
    for side in files:
        sides.append(np.concatenate([network([load_image(file)]) for file in side]).astype(np.float64))
    generated, real = sides
    difference = generated.mean(0) - real.mean(0)
    a, b = np.cov(generated, rowvar=False), np.cov(real, rowvar=False)
    root = np.sqrt(np.clip(np.linalg.eigvals(a @ b).real, 0, None)).sum()
    fid = float(difference @ difference + np.trace(a) + np.trace(b) - 2 * root)
    assert by_metric["fid[mini]", 0].value == pytest.approx(fid, rel=1e-3)
    assert {metric for metric, _ in by_metric} == {"fid[mini]", "kid[mini]", "kid-over-subsets-sd[mini]"}


def test_times_are_medians_of_the_stored_seconds(tmp_path: Path) -> None:
    out = tmp_path / "run"
    settings = ("speed.repeats=5", "speed.search_candidates=1000")
    outcome = run(out, "speed", settings=settings)
    for context in ("text", "picture", "search"):
        values = [record["output"] for record in records(out, "speed", context).values()]
        assert len(values) == 5
        by_metric = rows_by_metric(outcome, context)
        assert {counts(row) for row in by_metric.values()} == {(5, 5, 0, 0)}
        assert by_metric["seconds", 0].value == statistics.median(output["seconds"] for output in values)
        assert not by_metric["seconds", 0].higher_is_better
    rates = [r["output"]["tokens"] / r["output"]["seconds"] for r in records(out, "speed", "text").values()]
    assert rows_by_metric(outcome, "text")["tokens-per-second", 0].value == statistics.median(rates)
    assert {r["output"]["candidates"] for r in records(out, "speed", "search").values()} == {1000}
    assert all("|measured_on:cpu, " in row.model_signature for row in outcome.results.rows)
