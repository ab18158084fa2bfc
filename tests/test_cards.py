"""Cards: schema, resolver, and what a typo is answered with."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from gill_bench.cards import Cards, PublishedNumber
from gill_bench.datasets import dataset
from gill_bench.errors import InputError
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


def test_a_folder_of_cards_that_does_not_exist(tmp_path: Path) -> None:
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
    made = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    with zipfile.ZipFile(tmp_path / made.stdout.split()[-1]) as wheel:
        names = wheel.namelist()
        wheel.extractall(tmp_path / "site")
    assert {name.split("/")[0].split("-")[0] for name in names} <= {"gill_bench", "gill_bench.dist"}
    ask = "import json; from gill_bench.cards import *; print(json.dumps([str(builtin_folder()), Cards().names()]))"
    found = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {[str(tmp_path / 'site'), *_site()]!r}; {ask}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    folder, cards = json.loads(found.stdout)
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
    mine, gill = cards.model("mine"), cards.model("gill")
    assert mine.weights["checkpoint"].folder == "mine"
    assert mine.weights["llm"] == gill.weights["llm"]
    assert mine.settings == {**gill.settings, "guidance_scale": 3.0}
    assert mine.capabilities == gill.capabilities
    assert cards.find("mine")[0] == mine


@pytest.mark.parametrize(
    ("base", "message"),
    [("gil", "extends = 'gil': no such model; did you mean 'gill'"), ("other", "a variant itself; extend 'gill'")],
)
def test_a_variant_of_nothing(tmp_path: Path, base: str, message: str) -> None:
    text = 'schema = 1\nname = "{}"\ntitle = "Mine"\nextends = "{}"\n'
    (tmp_path / "mine.toml").write_text(text.format("mine", base))
    (tmp_path / "other.toml").write_text(text.format("other", "gill"))
    with pytest.raises(InputError, match=message):
        Cards([tmp_path]).model("mine")
