"""The strip of examples follows its rule, and shows what each model made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from gill_bench.analysis.gallery_records import Gallery
from gill_bench.reporting.page.findings import TaskFinding
from gill_bench.reporting.page.folder import PageFolder
from gill_bench.reporting.page.strip import Strip, StripMaker, Values, no_values
from gill_bench.rundir.records import CellKey
from tests.reporting.page.content import CONTEXT, METRIC, gallery

RICHEST = "5-captions-4-images"


def finding(contexts: Mapping[str, str]) -> TaskFinding:
    return TaskFinding("vist", "Stories", "", "", (), "", METRIC, "gill", contexts)


def values_of(means: Mapping[str, float]) -> Values:
    def values(cell: CellKey, metric: str) -> Mapping[str, float]:
        assert (cell, metric) == (CellKey("vist", "gill", RICHEST), METRIC)
        return means

    return values


def strip_of(folder: Path, galleries: list[Gallery], contexts: Mapping[str, str], values: Values) -> Strip | None:
    maker = StripMaker(finding(contexts), values, {"gill": "GILL"})
    assert list(maker.watch(galleries)) == galleries  # the galleries are passed on as they are
    return maker.strip("gallery-vist.html#a=gill", PageFolder(folder / "page"))


def test_the_lowest_the_median_and_the_highest_are_shown_each_model_in_its_own_context(tmp_path: Path) -> None:
    own = gallery(tmp_path, 7, context=RICHEST)
    own = replace(own, examples=[replace(each, outputs={"gill": each.outputs["gill"]}) for each in own.examples])
    means = {f"example-{number}": value for number, value in enumerate([0.4, 0.9, 0.1, 0.5, 0.7, 0.2, 0.6])}
    contexts = {"stable-diffusion": CONTEXT, "gill": RICHEST}
    strip = strip_of(tmp_path, [gallery(tmp_path, 7), own], contexts, values_of(means))
    assert strip is not None
    assert strip.rule == (
        "The lowest, median and highest CLIP similarity of GILL with 5 captions and 4 images (7 examples)."
    )
    assert [(example.rank, example.name) for example in strip.examples] == [
        ("lowest", "example-2"),
        ("median", "example-3"),
        ("highest", "example-1"),
    ]
    first = strip.examples[0]
    assert first.link == "gallery-vist.html#a=gill&example=example-2"
    assert [(output.title, output.context, output.first) for output in first.outputs] == [
        ("GILL", "", True),
        ("stable-diffusion", "1 caption", False),
    ]
    assert [output.value for output in first.outputs] == ["0.205", "0.100"]
    shown = [*first.pictures, first.target, *(output.picture for output in first.outputs)]
    assert all((tmp_path / "page" / name).is_file() for name in shown)
    assert first.text == "and then"


def test_without_values_the_first_examples_are_shown_and_the_rule_says_so(tmp_path: Path) -> None:
    strip = strip_of(tmp_path, [gallery(tmp_path, count=5)], {"gill": CONTEXT}, no_values)
    assert strip is not None
    assert strip.rule == "The first examples of the data, with 1 caption (5 examples)."
    assert [(example.rank, example.name) for example in strip.examples] == [
        ("", "example-0"),
        ("", "example-1"),
        ("", "example-2"),
    ]


def test_equal_values_are_told_apart_by_id_and_few_examples_are_all_shown(tmp_path: Path) -> None:
    means = {"example-1": 0.5, "example-0": 0.5}
    strip = strip_of(tmp_path, [gallery(tmp_path, 2, context=RICHEST)], {"gill": RICHEST}, values_of(means))
    assert strip is not None
    assert [(example.rank, example.name) for example in strip.examples] == [
        ("lowest", "example-0"),
        ("highest", "example-1"),
    ]


def test_texts_stand_where_there_are_no_pictures_and_nothing_is_no_strip(tmp_path: Path) -> None:
    stories = gallery(tmp_path)
    wrote = replace(stories.examples[0].outputs["gill"][0], picture=None, text="a dog " * 100)
    examples = [
        replace(each, prompt=("what is it?",), target=None, outputs={"gill": (wrote,)}) for each in stories.examples
    ]
    strip = strip_of(tmp_path, [replace(stories, examples=examples)], {"gill": CONTEXT}, no_values)
    assert strip is not None
    [output] = strip.examples[0].outputs
    assert output.picture == ""
    assert output.text.startswith("a dog a dog")
    assert len(output.text) < 230
    assert (strip.examples[0].answer, strip.examples[0].target) == ("caption 0", "")
    assert strip_of(tmp_path, [], {"gill": CONTEXT}, no_values) is None
    bare = [replace(each, prompt=(), target=None, answers=(), outputs={}) for each in stories.examples]
    assert strip_of(tmp_path, [replace(stories, examples=bare)], {"gill": CONTEXT}, no_values) is None


def test_a_search_that_stores_no_output_shows_its_values(tmp_path: Path) -> None:
    stories = gallery(tmp_path)
    examples = [replace(each, outputs={}) for each in stories.examples]
    strip = strip_of(tmp_path, [replace(stories, examples=examples)], {"gill": CONTEXT}, no_values)
    assert strip is not None
    [output] = strip.examples[2].outputs
    assert (output.picture, output.text, output.value) == ("", "", "0.205")
