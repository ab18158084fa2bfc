"""Metrics of a user's own file, named in the card of a task."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from gill_bench.cards.find import Cards, builtin_folder
from gill_bench.cli import main
from gill_bench.errors import InputError
from gill_bench.evaluate import score
from gill_bench.metrics import metric
from gill_bench.planning.metrics import metrics_of_card
from tests.support import able

METRIC = """
from gill_bench.interfaces import Score


class WordCount:
    kind = "corpus"

    def signature(self, settings, backbone):
        return f"words|least:{settings['least']}"

    def check(self, weights, settings, backbone):
        assert weights is None

    def scores(self, outputs, references, settings, question):
        lengths = {name: len(text.split()) for name, text in outputs.items()}
        return [Score("words", sum(lengths.values()) / len(lengths), True, len(lengths), each=lengths)]


class Red:
    kind = "pairs"
    higher_is_better = False

    def signature(self, settings, backbone):
        return "red|mean"

    def check(self, weights, settings, backbone): ...

    def load(self, weights, settings, device):
        import torch
        from gill_bench.metrics.picture import PictureMetric

        class Redness(PictureMetric):
            name = "red"

            def _prepare(self, image):
                return torch.tensor([sum(image.resize((1, 1)).getpixel((0, 0)))], dtype=torch.float32)

            def _compare(self, generated, reference):
                return (generated[0] - reference[0]).abs()[:, 0]

        return Redness()


class Lacking:
    kind = "corpus"

    def signature(self, settings, backbone): ...


class Strange(WordCount):
    kind = "words"


class Falls:
    def __init__(self):
        raise KeyError("no")
"""


def card_of(folder: Path, task: str, name: str, settings: str = "") -> Path:
    """The card of a task with one metric, which a file beside the card defines."""
    folder.mkdir(exist_ok=True)
    (folder / "my_metric.py").write_text(METRIC)
    text = (builtin_folder() / "tasks" / f"{task}.toml").read_text()
    text = text[: text.index("[[metrics]]")] + f'[[metrics]]\nname = "{name}"\n{settings}'
    file = folder / f"my-{task}.toml"
    mini = (builtin_folder() / "tasks" / f"{task}.toml").read_text()
    mini = mini[mini.index("[mini") :] if "[mini" in mini else ""
    file.write_text(text.replace(f'name = "{task}"', f'name = "my-{task}"') + "\n" + mini.partition("[[metrics]]")[0])
    return file


LEAST = "[metrics.settings]\nleast = 2\n"


def test_a_class_of_a_file_scores_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = card_of(tmp_path / "cards", "vqav2", "./my_metric.py:WordCount", LEAST)
    outcome = able.run(tmp_path / "run", str(card), limit=3)
    (row,) = outcome.results.rows
    assert (row.metric, row.n_scored) == ("words", 3)
    assert "words|least:2|code:" in row.signature
    assert list(tmp_path.glob("run/units/my-vqav2/able/question/score-word-count-*.json"))
    assert str(tmp_path) not in (tmp_path / "run/spec.json").read_text()
    # Code in another version is another signature, and the outputs stay.
    (tmp_path / "cards/my_metric.py").write_text(METRIC.replace("len(text.split())", "2 * len(text.split())"))
    (again,) = able.run(tmp_path / "run", str(card), limit=3).results.rows
    assert again.value == 2 * (row.value or 0) > 0
    assert again.signature != row.signature
    assert again.model_signature == row.model_signature


def test_a_run_directory_runs_no_code(tmp_path: Path) -> None:
    """Neither the file that spec.json names is run, nor a file that a stranger put into the run directory."""
    card = card_of(tmp_path / "cards", "vqav2", "./my_metric.py:WordCount", LEAST)
    out = tmp_path / "run"
    able.run(out, str(card), limit=2)
    spec = json.loads((out / "spec.json").read_text())
    (task,) = spec["tasks"].values()
    assert "home" not in task["card"]
    task["card"]["home"] = str(tmp_path / "cards")
    (tmp_path / "cards/my_metric.py").write_text("raise SystemExit('it was run')")
    from gill_bench.storage.sealed import write_sealed

    write_sealed(out / "spec.json", {name: value for name, value in spec.items() if name != "sha256"}, indent=1)
    shutil.copy(tmp_path / "cards/my_metric.py", out)
    with pytest.raises(InputError, match=r"files that a run names are not run;.* give the command that made the run"):
        score(out, "cpu")
    assert main(["report", str(out)]) == 0  # needs no metric


def test_a_class_of_a_file_compares_pictures(tmp_path: Path) -> None:
    card = card_of(tmp_path / "cards", "vist", "my_metric.py:Red")
    outcome = able.run(tmp_path / "run", str(card), limit=2, seeds=1, contexts=("1-caption",))
    (row,) = outcome.results.rows
    assert (row.metric, row.higher_is_better, row.n_scored) == ("red", False, 2)
    assert row.signature.count("|code:") == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./my_metric.py:WordCnt", "has no 'WordCnt'; did you mean 'WordCount'"),
        ("./other.py:WordCount", "other.py: no such file"),
        ("./my_metric.py:Lacking", "it lacks check, scores; see gill_bench.metrics"),
        ("./my_metric.py:Strange", "kind = 'words'; choose from 'corpus', 'distribution', 'pairs'"),
        ("./my_metric.py:Falls", r"Falls\(\) raised KeyError: 'no'"),
        ("./my_metric.py", "kind = 'None'"),
    ],
)
def test_a_class_or_name_that_is_no_metric_is_refused(name: str, message: str, tmp_path: Path) -> None:
    card = Cards().task(str(card_of(tmp_path / "cards", "vqav2", name)))
    with pytest.raises(InputError, match=message) as caught:
        metrics_of_card(card, "mini")
    assert len(str(caught.value).splitlines()) == 1


def test_a_module_can_be_a_metric_too(tmp_path: Path) -> None:
    (tmp_path / "sizes.py").write_text(
        "kind = 'corpus'\ndef signature(settings, backbone): return 'sizes'\n"
        "def check(weights, settings, backbone): ...\ndef scores(outputs, references, settings, question): ...\n"
    )
    module: Any = metric("./sizes.py", str(tmp_path))
    assert module.signature({}, "") == "sizes"
