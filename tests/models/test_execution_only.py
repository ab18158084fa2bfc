"""Settings of execution: another value is handed to the model, and makes nothing anew."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gill_bench.cards.find import Cards, builtin_folder
from gill_bench.errors import InputError
from gill_bench.planning.plan import make_plan
from gill_bench.planning.resolve import resolve_model
from gill_bench.planning.selection import model_card
from tests.support.runs import run, run_request

CLASS = """
class Asker:
    execution_only = ("at_once", "url")

    def __init__(self, at_once=4, url="http://127.0.0.1:8000/v1", side=8):
        self.made_with = at_once, url, side

    def generate_images(self, prompts, noise):
        from PIL import Image
        size = (self.made_with[2],) * 2
        return [[Image.new("RGB", size, (sample.seed % 256, 0, 0)) for sample in seeds] for seeds in noise]

    def generate_texts(self, prompts, max_new_tokens, stop=()):
        return ["a word"] * len(prompts)
"""
ADAPTER = """
from typing import Annotated
from pydantic import BaseModel, ConfigDict, Field
from gill_bench.models.execution_only import EXECUTION_ONLY

class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    side: int = 8
    at_once: Annotated[int, Field(gt=0), EXECUTION_ONLY] = 4
    url: Annotated[str, EXECUTION_ONLY] = Field("http://127.0.0.1:8000/v1", min_length=1)

def check(weights, settings): ...

def load(weights, settings, device):
    from asker import Asker
    return Asker(settings.at_once, settings.url, settings.side)
"""
CARD = """
schema = 1
name = "served"
title = "Served"
adapter = "adapter.py"
capabilities = ["image-generator", "text-generator"]
inputs = ["text"]
[settings]
side = 8
at_once = 2
"""


@pytest.fixture(params=["class", "adapter"])
def model(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The reference to a model that is given as a class, and to the same model behind an adapter module."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "asker.py").write_text(CLASS)
    (tmp_path / "adapter.py").write_text(ADAPTER)
    (tmp_path / "served.toml").write_text(CARD)
    return f"{tmp_path}/asker.py:Asker" if request.param == "class" else f"{tmp_path}/served.toml"


def name_of(model: str) -> str:
    return model_card(Cards(), model).name


def pending(out: Path, model: str, *settings: str) -> int:
    return make_plan(
        run_request(out, models=(model,), contexts=("1-caption",), settings=settings), dry=True
    ).samples_pending


def test_another_value_makes_nothing_anew_and_reaches_the_model(model: str, tmp_path: Path) -> None:
    out, name = tmp_path / "run", name_of(model)
    settings = (f"{name}.at_once=7",)
    run(out, models=(model,), contexts=("1-caption",), limit=2, settings=settings)
    assert pending(out, model, f"{name}.at_once=9", f"{name}.url=http://elsewhere/v1") == 8  # four stories of six
    assert pending(out, model, f"{name}.side=9") == 12
    spec = (out / "spec.json").read_text()
    assert '"side": 8' in spec
    assert "at_once" not in spec
    assert "127.0.0.1" not in spec
    loaded: Any = resolve_model(model_card(Cards(), model), weights="mini", settings={"at_once": 7}).load("cpu")
    assert loaded.made_with == (7, "http://127.0.0.1:8000/v1", 8)


def test_recipes_of_timed_tasks_hold_settings_of_execution(model: str, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"tasks": ("speed",), "models": (model,), "data": "mini", "split": None, "limit": 0}
    for task, timed in (("vist", False), ("speed", True)):
        plans = make_plan(run_request(tmp_path / task, **{**changes, "tasks": (task,)}), dry=True).cells
        assert plans
        assert {"at_once" in plan.cell.recipe["settings"] for plan in plans} == {timed}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ('("at_one",)', "execution_only: 'at_one' is no setting; did you mean 'at_once'"),
        ('"url"', "execution_only = 'url': expected names of settings, such as"),
        ("7", "execution_only = 7: expected names of settings"),
        ('("device",)', "execution_only: 'device' is no setting"),
    ],
)
def test_execution_only_takes_names_of_settings_alone(given: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "asker.py"
    file.write_text(CLASS.replace('("at_once", "url")', given))
    with pytest.raises(InputError, match=message):
        model_card(Cards(), f"{file}:Asker")


def test_the_class_of_the_document_is_a_model(tmp_path: Path) -> None:
    document = (builtin_folder() / "docs" / "served-models.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    (tmp_path / "server.py").write_text(code)
    card = model_card(Cards(), f"{tmp_path}/server.py:MyServer")
    assert card.capabilities == ("text-generator",)
    assert resolve_model(card, weights="mini", settings={}).execution_only == {"at_once", "url"}
    assert len(code.split("class ")[1].strip().splitlines()) < 20
