"""Cards: schema, resolver, and what a typo is answered with."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gill_bench.cards.find import Cards, Component, PublishedNumber
from gill_bench.datasets import dataset
from gill_bench.errors import InputError
from gill_bench.weights.find import find_weights
from tests.conftest import ROOT

TASK = (ROOT / "tasks" / "vist.toml").read_text(encoding="utf-8")


def test_every_card_of_the_repository_is_valid() -> None:
    cards = Cards()
    assert {card.name for card in cards.tasks()} >= {"vist", "visdial"}
    assert {card.name for card in cards.models()} >= {"gill", "stable-diffusion"}
    assert {card.name for card in cards.reports()} >= {"table-1", "table-2", "table-3", "table-4"}


def test_every_report_names_what_exists() -> None:
    cards = Cards()
    published = {(n.table, n.row, n.column, n.metric) for n in cards.published().numbers}
    for report in cards.reports():
        rows = {row for table, row, _, _ in published if table == report.published_table}
        assert {row.published for row in report.rows} - {""} <= rows, report.name
        for column in report.columns:
            task = cards.task(column.task)
            contexts = {column.context} if column.context else {row.context for row in report.rows if row.context}
            for context in contexts:
                assert dataset(task.data.format).context(context).name == context
            if column.published:
                assert any(
                    (report.published_table, row.published, column.published, column.published_metric) in published
                    for row in report.rows
                ), (report.name, column.title)


def test_published_numbers_have_their_source() -> None:
    numbers = Cards().published().numbers
    per_table = Counter(number.table for number in numbers)
    assert per_table == {
        "Tab. 1": 14,
        "Tab. 2": 18,
        "Tab. 3": 10,
        "Tab. 4": 8,
        "Tab. 5": 9,
        "Tab. 6": 10,
        "Tab. 7": 8,
        "Tab. 8": 9,
        "text": 32,
    }
    assert all(number.source for number in numbers)
    gill = next(n for n in numbers if (n.row, n.column, n.metric) == ("GILL", "5 captions, 4 images", "VIST LPIPS"))
    assert gill == PublishedNumber(
        table="Tab. 1",
        row="GILL",
        column="5 captions, 4 images",
        metric="VIST LPIPS",
        value=0.693,
        std=0.0008,
        unit="fraction",
        higher_is_better=False,
        source="Tab. 1",
        note=gill.note,
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("caption_join", "caption_join", None),
        ("unit_size = 4", "unit_siez = 4", "unknown key 'unit_siez'; did you mean 'unit_size'"),
        ("unit_size = 4", "unit_size = 0", "unit_size = 0: input should be greater than 0"),
        (
            'folder = "clip-vit',
            'floder = "clip-vit',
            r"unknown key 'metrics\.0\.weights\.floder'|metrics.0.weights.folder",
        ),
        ('split = "val"', "", "key 'data.split' is missing"),
        ("schema = 1", "schema = 2", "schema = 2, but this gill-bench reads schema = 1"),
        ('name = "vist"', 'name = "vits"', "name = 'vits', expected 'vist'"),
        ('capability = "image-generator"', 'capability = "painter"', "capability = 'painter': input should be"),
        ("unit_size = 4", "unit_size = ", "not valid TOML"),
    ],
)
def test_a_typo_names_file_and_key(tmp_path: Path, old: str, new: str, message: str | None) -> None:
    file = tmp_path / "vist.toml"
    file.write_text(TASK.replace(old, new, 1))
    if message is None:
        assert Cards().task(str(file)).name == "vist"
        return
    with pytest.raises(InputError, match=message) as caught:
        Cards().task(str(file))
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("key", "number", "message"),
    [
        ("settings.side", "9" * 5000, "line 8: side has thousands of digits"),
        ("settings.side", "-" + "9" * 30, "settings.side has a number of more than 64 bits"),
        ("settings.side", "nan", "settings.side = nan"),
        ("settings.side", "[1, [inf]]", r"settings.side\[1\]\[0\] = inf"),
        ("schema", "9" * 5000, "line 1: schema has thousands of digits"),
    ],
)
def test_numbers_of_a_card_are_finite_and_have_64_bits(tmp_path: Path, key: str, number: str, message: str) -> None:
    lines = {"schema": "1", "settings.side": "4"} | {key: number}
    file = tmp_path / "x.toml"
    file.write_text(
        f'schema = {lines["schema"]}\nname = "x"\ntitle = "X"\nadapter = "x.py"\ncapabilities = ["decider"]\n'
        f'inputs = ["text"]\n[settings]\nside = {lines["settings.side"]}\n'
    )
    with pytest.raises(InputError, match=message) as caught:
        Cards().model(str(file))
    assert str(caught.value).startswith(f"{file}: ")
    assert len(str(caught.value)) < len(str(file)) + 200


@pytest.mark.parametrize(("key", "number"), [("seeds", 10**9), ("unit_size", 10**12), ("seeds", 0)])
def test_numbers_of_a_task_have_an_upper_limit(tmp_path: Path, key: str, number: int) -> None:
    text = (ROOT / "tasks" / "vist.toml").read_text()
    file = tmp_path / "vist.toml"
    file.write_text(re.sub(r"^unit_size = .*$", f"unit_size = 4\nseeds = 2\n{key} = {number}", text, flags=re.M))
    file.write_text(re.sub(rf"^{key} = \d$\n", "", file.read_text(), count=1, flags=re.M))
    with pytest.raises(InputError, match=f"{key} = {number}: input should be"):
        Cards().task(str(file))


INPUTS = 'schema = 1\nname = "x"\ntitle = "X"\nadapter = "x.py"\ncapabilities = ["image-generator", "text-generator"]\n'


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ('inputs = { image-generator = ["text"] }', "a list for each of the capabilities"),
        ('inputs = { image-generater = ["text"] }', "'image-generater' is no capability; did you mean"),
        ('inputs = ["sound"]', 'expected a list of "text" and "image"'),
        ("inputs = 1", 'expected a list of "text" and "image"'),
        ('[inputs]\nimage-generator = ["text"]\ntext-generator = []', 'expected a list of "text" and "image"'),
    ],
)
def test_wrong_inputs_of_a_model_card_are_refused(tmp_path: Path, inputs: str, message: str) -> None:
    file = tmp_path / "x.toml"
    file.write_text(f"{INPUTS}{inputs}\n")
    with pytest.raises(InputError, match=message):
        Cards().model(str(file))


def test_inputs_may_differ_by_capability(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(f'{INPUTS}inputs = {{ image-generator = ["text"], text-generator = ["text", "image"] }}\n')
    card = Cards().model(str(file))
    assert card.reads("image-generator") == ("text",)
    assert card.reads("text-generator") == ("text", "image")


def test_a_folder_of_cards_joins_and_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "mine.toml").write_text(TASK.replace('"vist"', '"mine"', 1))
    (tmp_path / "vist.toml").write_text(TASK.replace("unit_size = 4", "unit_size = 9"))
    for cards in (Cards([tmp_path]), None):
        if cards is None:
            monkeypatch.setenv("GILL_BENCH_CARDS", str(tmp_path))
            cards = Cards()
        assert cards.task("mine").unit_size == 4
        assert cards.task("vist").unit_size == 9


def test_a_folder_of_cards_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder of cards"):
        Cards([tmp_path / "nowhere"])


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="no task named 'vits'; did you mean 'vist'"):
        Cards().task("vits")
    with pytest.raises(InputError, match="no model named 'gil'; did you mean 'gill'"):
        Cards().model("gil")


def test_the_wheel_holds_the_cards_and_no_top_level_packages_of_their_names(tmp_path: Path) -> None:
    """The built wheel, unpacked, finds its own cards in a fresh process."""
    build = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    built = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    with zipfile.ZipFile(tmp_path / built.stdout.split()[-1]) as wheel:
        names = wheel.namelist()
        wheel.extractall(tmp_path / "site")
    assert {name.split("/")[0].split("-")[0] for name in names} <= {"gill_bench", "gill_bench.dist"}
    ask = (
        "import json; from gill_bench.cards.find import *; print(json.dumps([str(builtin_folder()), Cards().names()]))"
    )
    process = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {[str(tmp_path / 'site'), *_site()]!r}; {ask}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    folder, cards = json.loads(process.stdout)
    assert Path(folder) == tmp_path / "site" / "gill_bench" / "_cards"
    assert cards == Cards().names()


def _site() -> list[str]:
    return [path for path in sys.path if path.endswith("site-packages")]


def test_a_variant_says_only_what_differs(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'schema = 1\nname = "mine"\ntitle = "Mine"\nextends = "gill"\n'
        '[weights.checkpoint]\nfolder = "mine"\n[settings]\nguidance_scale = 3.0\n'
    )
    cards = Cards([tmp_path])
    variant, gill = cards.model("mine"), cards.model("gill")
    assert variant.weights["checkpoint"].folder == "mine"
    assert variant.weights["llm"] == gill.weights["llm"]
    assert variant.settings == {**gill.settings, "guidance_scale": 3.0}
    assert variant.capabilities == gill.capabilities
    assert cards.find("mine")[0] == variant


BASE = """
schema = 1
name = "base"
title = "Base"
adapter = "clip"
capabilities = ["image-retriever"]
inputs = ["text"]

[weights.network]
id = "them/network"
folder = "network"
mini = "clip-mini"
files = ["*.json"]
url = "https://example.org/network"
size = "1 GB"
"""
PUBLISHED = {
    "id": "them/network",
    "folder": "network",
    "mini": "clip-mini",
    "files": ("*.json",),
    "url": "https://example.org/network",
    "size": "1 GB",
}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        # Other weights take nothing over: neither the base's id, nor its embedded weights, nor what people read of it.
        ('folder = "typo"', {"folder": "typo"}),
        ('id = "me/other"', {"id": "me/other", "folder": "other"}),
        ('id = "me/network"', {"id": "me/network", "folder": "network"}),
        ('id = "me/other"\nfolder = "network"', {"id": "me/other", "folder": "network"}),
        ('id = ""\nfolder = "mine"\nmini = "sd-mini"', {"folder": "mine", "mini": "sd-mini"}),
        # The same weights under another folder's name, or with something else said about them.
        ('id = "them/network"\nfolder = "renamed"', {**PUBLISHED, "folder": "renamed"}),
        ('folder = "network"\nsize = "2 GB"', {**PUBLISHED, "size": "2 GB"}),
        ('id = ""', {**PUBLISHED, "id": ""}),
        ('files = ["*.bin"]', {**PUBLISHED, "files": ("*.bin",)}),
    ],
)
def test_a_variant_with_other_weights_keeps_nothing_of_the_base(
    said: str, expected: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "base.toml").write_text(BASE)
    variant = f'schema = 1\nname = "variant"\ntitle = "V"\nextends = "base"\n[weights.network]\n{said}\n'
    (tmp_path / "variant.toml").write_text(variant)
    cards = Cards([tmp_path])
    assert cards.model("base").weights["network"] == Component.model_validate(PUBLISHED)
    assert cards.model("variant").weights["network"] == Component.model_validate(expected)


def test_a_variant_of_a_wrong_folder_does_not_run_the_weights_of_the_base(tmp_path: Path) -> None:
    (tmp_path / "variant.toml").write_text(
        'schema = 1\nname = "variant"\ntitle = "V"\nextends = "gill"\n[weights.llm]\nfolder = "typo"\n'
    )
    component = Cards([tmp_path]).model("variant").weights["llm"]
    (tmp_path / "weights" / "opt-6.7b").mkdir(parents=True)
    for source, message in (("mini", "no embedded weights for it"), (str(tmp_path / "weights"), "has no typo")):
        with pytest.raises(InputError, match=message):
            find_weights(component, source)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("", r"weights\.network = .*expected an id \(of the hub\) or a folder \(inside that of --weights\), or both"),
        ('mini = "clip-mini"\nfolder = ""', "expected an id"),
        ('id = "../network"', "expected a name inside the folder"),
        ("id = 3", r"weights\.network\.id = 3: input should be a valid string"),
        ('folder = "x"\nidd = "me/x"', "unknown key 'weights.network.idd'; did you mean 'id'"),
    ],
)
def test_weights_have_an_id_or_a_folder(said: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(BASE.partition("[weights.network]")[0] + f"[weights.network]\n{said}\n")
    with pytest.raises(InputError, match=message):
        Cards([tmp_path]).model("base")


def test_weights_with_an_id_alone_lie_in_the_folder_of_its_name() -> None:
    assert Component(id="me/network").folder == "network"


@pytest.mark.parametrize(
    ("base", "message"),
    [("gil", "extends = 'gil': no such model; did you mean 'gill'"), ("other", "a variant itself; extend 'gill'")],
)
def test_a_variant_of_an_unknown_model_or_of_a_variant_is_refused(tmp_path: Path, base: str, message: str) -> None:
    text = 'schema = 1\nname = "{}"\ntitle = "Mine"\nextends = "{}"\n'
    (tmp_path / "mine.toml").write_text(text.format("mine", base))
    (tmp_path / "other.toml").write_text(text.format("other", "gill"))
    with pytest.raises(InputError, match=message):
        Cards([tmp_path]).model("mine")
