"""`gill-bench probe`: what it says first, its table, its JSON, its figure, and its errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gill_bench.cli import main
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
def test_what_cannot_be_probed_is_an_error(
    words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", *words]) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
