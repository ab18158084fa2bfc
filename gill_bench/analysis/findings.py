"""The paper's findings, which a run on the mini world is expected to show, each judged by a paired 95 % interval.

A finding compares two cells of one task, or one cell with trivial outputs (`gill_bench.metrics.Trivial`). Nothing but
stored values of single examples goes in: no metric looks at the description of a scene.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from gill_bench.analysis.compare import gain_in_run
from gill_bench.errors import InputError
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey
from gill_bench.statistics.bootstrap import Interval, paired_interval

Verdict = Literal["holds", "not shown", "opposite"]
DESCRIBED = "test-described"
"""The split of VIST in which every caption is a full description."""


@dataclass(frozen=True, slots=True)
class ExpectedFinding:
    """An expectation: a cell is better than another one, or than trivial outputs.

    Attributes:
        task: Name of the task's card.
        better: The model and context that are expected to be better.
        than: The model and context that they are compared with; None for trivial outputs.
        metric: Name of the metric, without the brackets of a stand-in.
        table: The table or figure that the finding is about.
        split: The split of the data, where it is not the task's usual one; else "".
    """

    task: str
    better: tuple[str, str]
    than: tuple[str, str] | None
    metric: str
    table: str
    split: str = ""

    @property
    def cells(self) -> tuple[tuple[str, str], ...]:
        """The models and contexts that the finding compares."""
        return (self.better,) if self.than is None else (self.better, self.than)


@dataclass(frozen=True, slots=True)
class JudgedFinding:
    """A finding with what a run shows of it.

    Attributes:
        finding: The finding.
        gain: How much better, in the good direction of the metric: mean and 95 % interval over clusters of examples.
        trivial: The trivial outputs in words, where they are compared with; else "".
    """

    finding: ExpectedFinding
    gain: Interval
    trivial: str = ""

    @property
    def verdict(self) -> Verdict:
        """The verdict of the interval: "holds" above zero, "opposite" below, else "not shown"."""
        return "holds" if self.gain.low > 0 else "opposite" if self.gain.high < 0 else "not shown"


def _pairs(table: str, task: str, metric: str, *pairs: str, split: str = "") -> Iterator[ExpectedFinding]:
    """Findings from texts such as `gill/5-captions > gill/1-caption`; `> trivial` compares with trivial outputs."""
    for pair in pairs:
        better, than = ((model, context) for model, _, context in (side.partition("/") for side in pair.split(" > ")))
        yield ExpectedFinding(task, better, None if than == ("trivial", "") else than, metric, table, split)


_FULL, _FIVE, _ONE = "5-captions-4-images", "5-captions", "1-caption"
EXPECTED: tuple[ExpectedFinding, ...] = (
    *_pairs(
        "Table 1",
        "vist",
        "clip-similarity",
        f"gill/{_FIVE} > gill/{_ONE}",
        f"gill/{_FULL} > gill/{_FIVE}",
        f"gill/{_FIVE} > stable-diffusion/{_FIVE}",
        f"stable-diffusion/{_FIVE} > glide/{_FIVE}",
    ),
    *_pairs("Table 1", "vist", "lpips", f"gill/{_FULL} > gill/{_ONE}"),
    *_pairs(
        "Table 1",
        "vist",
        "clip-similarity",
        f"stable-diffusion/{_ONE} > glide/{_ONE}",
        f"glide/{_ONE} > trivial",
        split=DESCRIBED,
    ),
    *_pairs(
        "Tables 3, 4",
        "vist",
        "clip-similarity",
        *(f"gill/{_FULL} > gill-{other}/{_FULL}" for other in ("linear", "mlp", "encoder", "generation-only")),
        f"gill/{_FULL} > gill-r4/{_FULL}",
        f"gill-r4/{_FULL} > gill-r2/{_FULL}",
        f"gill-r2/{_FULL} > gill-r1/{_FULL}",
    ),
    *_pairs(
        "Table 2, Figure 8",
        "visdial",
        "clip-similarity",
        "gill/5-rounds > gill/1-round",
        "gill/10-rounds > gill/5-rounds",
        "gill/10-rounds > stable-diffusion/10-rounds",
        "stable-diffusion/1-round > gill/1-round",
        "gill/1-round > trivial",
        "gill/10-rounds > trivial",
    ),
    *_pairs(
        "VisDial answers",
        "visdial-answers",
        "mrr",
        *(f"{model}/history > trivial" for model in ("gill", "fromage")),
        "opt/history@no-image > trivial",
        *(f"{model}/history > {model}/history@no-image" for model in ("gill", "fromage")),
        *(f"{model}/history > {model}/history@foreign-image" for model in ("gill", "fromage")),
    ),
    *_pairs(
        "VisDial retrieval",
        "visdial-retrieval",
        "recall@5",
        *(f"{model}/10-rounds > trivial" for model in ("gill", "fromage", "clip")),
    ),
    *_pairs(
        "Table 5",
        "vist-retrieval",
        "recall@5",
        *(f"{model}/{_FULL} > trivial" for model in ("gill", "fromage")),
        f"gill/{_FULL} > fromage/{_FULL}",
        f"fromage/{_FULL} > clip/{_FULL}",
    ),
    *_pairs(
        "Table 6",
        "partiprompts",
        "decision-accuracy",
        "gill/classifier > trivial",
        "gill/classifier > always-retrieve/test-labels",
        "gill/classifier > always-generate/test-labels",
    ),
    *_pairs(
        "Table 7, captions",
        "coco-captions",
        "cider",
        *(f"{model}/caption > trivial" for model in ("gill", "fromage")),
        *(f"{model}/caption > {model}/caption@foreign-image" for model in ("gill", "fromage")),
    ),
    *_pairs(
        "Table 7, answers",
        "vqav2",
        "vqa-accuracy",
        *(f"{model}/question > trivial" for model in ("gill", "fromage")),
        *(f"{model}/question > {model}/question@foreign-image" for model in ("gill", "fromage")),
    ),
)
"""The paper's findings on real data, in models and contexts of runs on the mini world; and that numbers are above those
of trivial outputs, and of contexts without the right picture."""


def judge(runs: Sequence[RunReader], findings: Sequence[ExpectedFinding] = EXPECTED) -> list[JudgedFinding]:
    """Judge each finding by the first of some runs that has its cells.

    Raises:
        InputError: No run has the cells of any finding, or a run's values cannot be compared.
    """
    judged = []
    for finding in findings:
        run = next((run for run in runs if _has(run, finding)), None)
        if run is not None:
            judged.append(_judged(run, finding))
    if not judged:
        names = ", ".join(str(run.folder) for run in runs)
        raise InputError(f"{names}: has none of the models and contexts that the findings are about")
    return judged


def _has(run: RunReader, finding: ExpectedFinding) -> bool:
    tasks = [task.card for task in run.spec.tasks.values() if task.card.get("name") == finding.task]
    described = any(card.get("data", {}).get("split") == DESCRIBED for card in tasks)
    if described is not (finding.split == DESCRIBED):
        return False
    return all(_metric_of(run, CellKey(finding.task, *cell), finding.metric) for cell in finding.cells)


def _metric_of(run: RunReader, key: CellKey, metric: str) -> str | None:
    """The metric's name in the rows of a cell that have values of single examples; None if there are none."""
    for row_key, name in run.rows:
        if row_key == key and name.partition("[")[0] == metric and run.values(key, name) is not None:
            return name
    return None


def _judged(run: RunReader, finding: ExpectedFinding) -> JudgedFinding:
    better = CellKey(finding.task, *finding.better)
    if finding.than is not None:
        return JudgedFinding(finding, gain_in_run(run, better, CellKey(finding.task, *finding.than), finding.metric))
    name = _metric_of(run, better, finding.metric)
    assert name is not None
    rows, values = run.rows[better, name], run.values(better, name)
    assert values is not None
    trivial = next((row.trivial for row in rows if row.trivial is not None), None)
    if trivial is None:
        raise InputError(f"{run.folder}: {better}: {name} has no trivial value")
    sign = 1.0 if values.higher_is_better else -1.0
    means, clusters = values.means(), run.clusters(better)
    gains = [sign * (value - trivial) for value in means.values()]
    return JudgedFinding(
        finding,
        paired_interval(gains, [clusters.get(example, example) for example in means]),
        rows[0].trivial_answer,
    )
