"""`gill-bench probe`: what it says first, its table, its JSON, its figure, and its errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gill_bench.cli import main
from gill_bench.rundir.load import read_probes, read_results
from tests.conftest import ROOT

PLANTED = str(ROOT / "tests/support/planted.py")


def test_the_table_says_what_is_read_and_the_number_of_calls_comes_first(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    figure = tmp_path / "probe.svg"
    assert main(["probe", f"{PLANTED}:NoPicture", "--figure", str(figure)]) == 0
    out, err = capsys.readouterr()
    assert err.startswith("probe of no-picture in vist: at most 60 calls of the model, in 5-captions-4-images")
    assert "no-picture in vist/5-captions-4-images: reads captions 1 to 5 of 5; pictures none" in " ".join(out.split())
    assert "picture 1" in out
    assert "lpips" in out
    assert "Read in 0 of 72 trials: in at most 4.1 % of outputs (95 %)" in " ".join(out.split())
    drawn = figure.read_text(encoding="utf-8")
    assert "filled: read" in drawn
    assert "pictures none" in " ".join(drawn.split())


def test_json_of_one_context_is_an_object_and_of_several_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["probe", f"{PLANTED}:LastPicture", "--json", "--calls", "24", "--task", "vist", "--contexts"]
    assert main([*command, "2-captions-1-image"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {key: result[key] for key in ("model", "task", "context", "order", "repeatable")} == {
        "model": "last-picture",
        "task": "vist",
        "context": "2-captions-1-image",
        "order": "read",
        "repeatable": True,
    }
    assert result["calls"] <= 24
    assert [(part["kind"], part["position"], part["verdict"]) for part in result["parts"]] == [
        ("caption", 1, "read"),
        ("picture", 1, "read"),
        ("caption", 2, "read"),
    ]
    assert all(part["effect"] > 0 and part["measures"]["lpips[mini]"] > 0 for part in result["parts"])
    assert main([*command, "1-caption,2-captions"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["context"], first["order"], second["order"]) == ("1-caption", "not applicable", "read")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([f"{PLANTED}:Raises"], 1, "raises: generate_images raised ValueError: no such head (planted.py:"),
        ([f"{PLANTED}:NoPicture", "--contexts", "5-captions@shuffled"], 2, "it is a control context; probe 5-captions"),
        ([f"{PLANTED}:NoPicture", "--calls", "9"], 2, "--calls 9: a prompt of vist/5-captions-4-images has 9 parts"),
        ([f"{PLANTED}:NoPicture", "--figure", "a.pdf"], 2, "end it in .svg or .png"),
        (["stable-diffusion", "--contexts", "5-captions-4-images"], 2, "stable-diffusion reads no images"),
        (["opt", "--task", "vist"], 2, "opt is no image-generator"),
    ],
)
def test_models_and_contexts_that_cannot_be_probed_are_refused(
    words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", *words]) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_run_with_probe_stores_the_probe_and_reports_mark_the_cell(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    model = f"{PLANTED}:NoPicture"
    command = ["run", "vist", "--models", model, "--limit", "6", "--seeds", "1", "--out", str(run), "--workers", "1"]
    command += ["--contexts", "1-caption,5-captions-4-images"]
    assert main([*command, "--probe"]) == 0
    said = capsys.readouterr().err
    assert "probe: at most 120 calls of the models, 60 for each of 2 cells" in said
    assert "vist/no-picture/5-captions-4-images: reads captions 1 to 5 of 5; pictures none" in said
    results = read_results(run / "results.json")
    assert [(probe.context, probe.in_full) for probe in results.probes] == [
        ("1-caption", True),
        ("5-captions-4-images", False),
    ]
    sentence = "Context not read in full, as the probe found: reads captions 1 to 5 of 5; pictures none"
    for format in ("terminal", "markdown", "html"):
        assert main(["report", str(run), "--format", format]) == 0
        assert sentence in " ".join(capsys.readouterr().out.split())

    assert main([*command, "--probe"]) == 0  # what is stored is not asked again
    assert "calls of the models" not in capsys.readouterr().err

    assert main([*command, "--set", "NoPicture.seed=5"]) == 0  # the probe is of another model than the numbers now
    assert read_results(run / "results.json").probes == ()
    assert len(read_probes(run)) == 2
