"""Classes and objects as models, from Python."""

from __future__ import annotations

import json
import linecache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import gill_bench
from gill_bench.cards.find import Cards
from gill_bench.errors import InputError
from gill_bench.models.given_model import card_of_given
from gill_bench.planning.plan import execution_options, make_plan
from gill_bench.planning.request import RunRequest
from gill_bench.planning.resolve import resolve_model
from gill_bench.planning.selection import model_card
from tests.support.small_painter import SmallPainter

SMALL: dict[str, Any] = {"limit": 1, "seeds": 1, "contexts": "1-caption", "device": "cpu"}


class Keeps:
    execution_only = ("at_once",)

    def __init__(self, network: object = None, side: int = 8, at_once: int = 2) -> None:
        self.network, self._side, self.at_once = network, side, at_once

    def generate_texts(self, prompts: Any, max_new_tokens: int, stop: Any = ()) -> list[str]:
        return ["a word"] * len(prompts)


class Forgets(Keeps):
    def __init__(self, side: int = 8, words: str = "few") -> None:
        super().__init__(None, side)


def pending(out: Path, models: Any, **changes: Any) -> int:
    return make_plan(RunRequest.of(["vist"], out, models=models, **{**SMALL, **changes}), dry=True).samples_pending


def test_a_class_is_what_its_file_is(tmp_path: Path) -> None:
    run = gill_bench.run(
        "vist", models=[SmallPainter], out=tmp_path / "run", settings=["SmallPainter.side=12"], **SMALL
    )
    frame = run.samples("vist", pictures=True)
    assert list(frame["model"]) == ["small-painter"]
    assert frame["picture"][0].size == (12, 12)
    file = f"{Path(__file__).parents[1]}/support/small_painter.py:SmallPainter"
    (tmp_path / "cards").mkdir()
    assert pending(tmp_path / "run", [file], settings=["SmallPainter.side=12"]) == 0  # the same outputs
    assert pending(tmp_path / "run", SmallPainter) == 1
    assert pending(tmp_path / "run", SmallPainter(side=12)) == 0
    assert pending(tmp_path / "run", SmallPainter(12)) == 0
    assert pending(tmp_path / "run", SmallPainter(side=13)) == 1
    assert str(tmp_path) not in (tmp_path / "run/spec.json").read_text()


def test_objects_have_the_names_that_they_are_given(tmp_path: Path) -> None:
    models = {"mine": SmallPainter(side=9), "other": SmallPainter(side=10), "third": SmallPainter}
    run = gill_bench.run("vist", models=models, out=tmp_path / "run", **SMALL)
    frame = run.samples("vist", pictures=True)
    assert {name: picture.size[0] for name, picture in zip(frame["model"], frame["picture"], strict=True)} == {
        "mine": 9,
        "other": 10,
        "third": 16,
    }
    assert set(run.results["model"]) == {"mine", "other", "third"}
    assert set(run.results[run.results["model"] == "mine"]["model_signature"].str.contains("side:9")) == {True}
    spec = json.loads((tmp_path / "run/spec.json").read_text())
    assert {cell["recipe"]["adapter"] for cell in spec["cells"]} == {"small_painter.py:SmallPainter"}


def test_names_and_classes_may_be_mixed(tmp_path: Path) -> None:
    cells = make_plan(
        RunRequest.of(["vist"], tmp_path, models=["stable-diffusion", SmallPainter], **SMALL), dry=True
    ).cells
    assert [planned.cell.model for planned in cells] == ["stable-diffusion", "small-painter"]


def test_an_object_is_told_apart_by_what_it_was_constructed_with() -> None:
    def recipe(model: Any) -> tuple[dict[str, Any], frozenset[str]]:
        resolved = resolve_model(card_of_given(model), weights="mini", settings={})
        return dict(resolved.card.settings), resolved.execution_only

    assert recipe(Keeps(Image, 9)) == ({"side": 9, "at_once": 2}, frozenset({"at_once"}))
    model = Keeps(at_once=5)
    assert resolve_model(card_of_given(model), weights="mini", settings={}).load("cpu") is model
    with pytest.raises(InputError, match=r"does not keep its argument 'words'.*keep it \(self.words = words\)"):
        card_of_given(Forgets())


def test_the_settings_of_an_object_cannot_be_changed() -> None:
    card = card_of_given(SmallPainter(side=9), "mine")
    with pytest.raises(InputError, match="mine: side = 7 was asked for, but the object was constructed with 9"):
        resolve_model(card, weights="mini", settings={"side": 7})
    with pytest.raises(InputError, match="unknown setting 'sied'; did you mean 'side'"):
        resolve_model(card, weights="mini", settings={"sied": 7})
    assert resolve_model(card, weights="mini", settings={"side": 9}).card.settings == {"side": 9}


def cell(text: str, name: str) -> type:
    """The class in a cell of a notebook: Python has the cell's text, and no file."""
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    names: dict[str, Any] = {"__name__": "a_notebook"}
    exec(compile(text, name, "exec"), names)
    kind = names["Typed"]
    assert isinstance(kind, type)
    return kind


def test_a_class_of_a_notebook_has_the_digest_of_its_source() -> None:
    method = "    def generate_texts(self, prompts, max_new_tokens, stop=()):\n        return {}\n"
    names: dict[str, Any] = {"__name__": "nowhere"}
    exec(f"class Typed:\n{method}", names)
    with pytest.raises(InputError, match=r"Typed: its source cannot be read, .*; write the class into a file"):
        card_of_given(names["Typed"])
    classes = {
        "first": f"class Typed:\n{method}",
        "again": f"import math\n\n\nclass Typed:\n{method}\nTyped()\n",
        "attribute": f"class Typed:\n    words = 3\n{method}",
        "body": f"class Typed:\n{method.replace('{}', '[]')}",
    }
    models = {
        name: resolve_model(card_of_given(cell(text, f"<cell {name}>")), weights="mini", settings={})
        for name, text in classes.items()
    }
    assert models["first"].card.adapter == "python:Typed"
    digests = {name: model.digests["adapter"] for name, model in models.items()}
    assert digests["first"] == digests["again"]
    assert len(set(digests.values())) == 3


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([SmallPainter, SmallPainter(side=9)], "two models are called 'small-painter'"),
        ({"gill": SmallPainter}, "'gill' is another model's name already"),
        ({"My Model": SmallPainter}, "name = 'My Model'"),
        ({"mine": "gill"}, "expected a class or an object; names go in a list"),
        ([3], "int: has none of the methods of a model"),
        ([SmallPainter, "all"], "'all' stands alone"),
    ],
)
def test_models_that_cannot_be_given_are_refused(models: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        make_plan(RunRequest.of(["vist"], tmp_path, models=models, **SMALL), dry=True)


def test_classes_and_objects_run_in_this_process_alone(tmp_path: Path) -> None:
    def request(**changes: Any) -> RunRequest:
        return RunRequest.of(["vist"], tmp_path, models=[SmallPainter], **changes)

    assert execution_options(request(device="cpu")).workers == 1
    for changes in ({"workers": 2}, {"device": "cpu,cpu"}):
        with pytest.raises(InputError, match=r"is an object or class of this process.*\n.*'./my_model.py:MyModel'"):
            execution_options(request(**changes))


def test_a_card_cannot_name_an_object(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'schema = 1\nname = "mine"\ntitle = "Mine"\nadapter = "clip"\ncapabilities = ["image-retriever"]\n'
        'inputs = ["text"]\ngiven = "os.system"\n'
    )
    assert model_card(Cards(), str(tmp_path / "mine.toml")).given is None
