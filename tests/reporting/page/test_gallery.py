"""The gallery in a real browser: contexts side by side, choices and their address, filters, files."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gill_bench.analysis.gallery_records import Gallery, GalleryExample, ShownOutput
from gill_bench.reporting.page import write_page
from tests.reporting.page.content import CONTEXT, METRIC, MODELS, content, gallery
from tests.reporting.page.in_browser import (
    FILLED,
    HEIGHT,
    boxes,
    choices,
    draw_plots,
    first_is,
    ids,
    scroll,
    show,
    until,
)
from tests.reporting.page.story_contexts import BEST, stories, with_losses

NAME = "gallery-vist.html"
COLUMNS = ["1 caption", "3 captions", "3 captions, 2 images", "3 captions, 2 images, shuffled"]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages that tests must not change: stories in several contexts, losses, one context, many stories."""
    folder = tmp_path_factory.mktemp("gallery")
    write_page(folder / "contexts", content(folder, *stories(folder)))
    write_page(folder / "losses", content(folder, *stories(folder, change=with_losses)))
    write_page(folder / "one", content(folder, gallery(folder, count=30)))
    write_page(folder / "many", content(folder, *stories(folder, count=400)[-2:-1]))
    return folder


def copied(tab: Any, press: Any) -> str:
    """The text that a button puts on the clipboard."""
    tab.evaluate("navigator.clipboard.writeText = async (text) => { globalThis.copied = text; }")
    press.click()
    until(tab, "globalThis.copied")
    return str(tab.evaluate("globalThis.copied"))


def test_contexts_stand_side_by_side_and_the_richest_is_open(tab: Any, pages: Path) -> None:
    show(tab, pages / "contexts", NAME)
    first = tab.locator(".example").first
    assert first.locator("thead th").all_text_contents() == ["Model", *COLUMNS]
    assert first.locator("tbody th").all_text_contents() == ["GILL", "SD"]
    assert [row.locator("button.shot").count() for row in first.locator("tbody tr").all()] == [4, 2]
    assert (tab.locator("#a").input_value(), tab.locator("#context").input_value()) == ("gill", "3-captions-2-images")
    # Beside it stands the context with the same captions and no pictures.
    assert (tab.locator("#b").input_value(), tab.locator("#bcontext").input_value()) == ("gill", "3-captions")
    assert (
        first.locator(".is-a img")
        .get_attribute("alt")
        .startswith("GILL, 3 captions, 2 images, example example-0, seed 0")
    )
    assert all(image.get_attribute("alt") for image in tab.locator("img").all())


def test_a_story_is_a_film_strip_that_ends_with_the_truth(tab: Any, pages: Path) -> None:
    show(tab, pages / "contexts", NAME)
    frames = tab.locator(".example").first.locator(".frame")
    assert frames.locator("p").all_text_contents() == [f"caption {part} of story 0" for part in range(3)]
    assert frames.locator("img").count() == 3
    assert "truth" in frames.last.get_attribute("class")
    assert frames.last.locator("img").get_attribute("alt") == "The truth of example-0"
    lefts = [box["x"] for box in boxes(frames)]
    assert lefts == sorted(set(lefts))
    for frame in frames.all():  # the caption stands below its picture
        image, words = boxes(frame.locator("img, p"))
        assert words["y"] >= image["y"] + image["height"]


def test_two_to_three_stories_fit_on_a_screen(tab: Any, pages: Path) -> None:
    show(tab, pages / "contexts", NAME)
    tab.mouse.wheel(0, 700)
    until(tab, "scrollY > 600")
    until(tab, FILLED)
    room, height = tab.evaluate(
        "[innerHeight - headHeight(), document.querySelector('.example').getBoundingClientRect().height]"
    )
    assert 2 <= room / height < 4


def test_columns_are_contexts_or_seeds(tab: Any, pages: Path) -> None:
    show(tab, pages / "contexts", NAME, "#by=seed")
    assert tab.locator(".example").first.locator("thead th").all_text_contents() == ["Model", "seed 0", "seed 1"]
    assert tab.locator(".example").first.locator(".is-a").count() == 2
    tab.locator("#more").click()
    tab.locator("#by").select_option("context")
    until(tab, "document.querySelectorAll('.example')[0].querySelectorAll('thead th').length === 5")
    tab.locator("#seed").select_option("1")
    until(tab, "document.querySelector('.example .is-a img')?.alt.includes('seed 1')")
    tab.locator("#contexts label", has_text="1 caption").click()
    until(tab, "document.querySelectorAll('.example')[0].querySelectorAll('thead th').length === 4")
    tab.locator("#models label", has_text="SD").click()
    until(tab, "document.querySelectorAll('.example')[0].querySelectorAll('tbody tr').length === 1")
    chosen = choices(tab)
    assert (chosen["seed"], chosen["hide"], chosen["models"]) == ("1", "1-caption", "gill")
    show(tab, pages / "contexts", NAME, tab.evaluate("location.hash"))
    assert tab.locator(".example").first.locator("thead th").all_text_contents() == ["Model", *COLUMNS[1:]]


def test_the_story_that_gains_most_by_pictures_is_found_in_three_clicks_and_its_address_can_be_sent(
    tab: Any, pages: Path
) -> None:
    show(tab, pages / "contexts", "index.html")
    tab.locator(f'a[href="{NAME}"]').first.click()
    until(tab, "document.querySelectorAll('.example .context').length > 0")
    tab.get_by_role("button", name="GILL with pictures over without").click()
    first_is(tab, BEST)
    address = copied(tab, tab.locator(".example").first.get_by_role("button", name="Copy link"))
    tab.goto("about:blank")
    tab.goto(address)
    until(tab, "document.querySelector('#viewer').open")
    assert tab.locator("#viewer-title").inner_text() == f"example-{BEST}"
    assert "1 of 10" in tab.locator("#viewer").inner_text()


def test_sorting_filters_and_win_and_loss(tab: Any, pages: Path) -> None:
    show(tab, pages / "one", NAME, "#a=gill&b=stable-diffusion")
    # GILL has e / 10 + 0.005 on average, the other one 0.1: it loses example 0 alone.
    assert tab.locator("#duel strong").all_text_contents() == ["A GILL wins 29", "B SD wins 1"]
    assert "GILL − SD: −0.0105 [−0.0123, −0.0087]" in tab.locator("#test").inner_text()
    tab.locator("#sort").select_option("a-over-b")
    first_is(tab, 29)
    assert ids(tab)[:3] == ["29", "28", "27"]
    tab.locator("#show").select_option("b")
    first_is(tab, 0)
    assert ids(tab) == ["0"]
    tab.locator("#query").fill("nobody wrote this")
    until(tab, "document.querySelector('#status').textContent.startsWith('None of the 30 examples')")
    assert ids(tab) == []
    tab.locator("#empty").get_by_role("button", name="Clear filters").click()
    until(tab, "document.querySelector('#status').textContent.startsWith('30 examples')")
    assert tab.locator("#query").input_value() == ""
    tab.locator("#more").click()
    tab.locator("[data-fact=kind]").select_option("odd")
    tab.locator("#query").fill("CAPTION 2")
    until(tab, "document.querySelector('#status').textContent.startsWith('5 of 30 examples')")
    assert ids(tab) == ["29", "27", "25", "23", "21"]
    show(tab, pages / "one", NAME, tab.evaluate("location.hash"))
    assert ids(tab) == ["29", "27", "25", "23", "21"]


def test_without_a_seed_means_and_pictures_are_of_the_others(tab: Any, pages: Path) -> None:
    show(tab, pages / "one", NAME, "#a=gill&b=stable-diffusion&sort=a-best&off=1")
    assert tab.locator(".example").first.locator("thead th").all_text_contents() == ["Model", "seed 0"]
    assert "A 2.9000 B 0.1000" in tab.locator(".example header").first.inner_text()
    assert "of the seeds that are shown" in tab.locator("#test").inner_text()


def test_a_link_of_a_table_shows_its_number(tab: Any, pages: Path) -> None:
    show(tab, pages / "contexts", NAME, "#context=1-caption&metric=lpips&a=stable-diffusion")
    assert [tab.locator(f"#{name}").input_value() for name in ("a", "context", "metric")] == [
        MODELS[0],
        "1-caption",
        "lpips",
    ]
    assert [tab.locator(f"#{name}").input_value() for name in ("b", "bcontext")] == ["gill", "1-caption"]
    assert "lower is better" in tab.locator("#test").inner_text()


def test_failed_and_missing_examples_stand_there_with_their_reason_and_a_filter(tab: Any, pages: Path) -> None:
    show(tab, pages / "losses", NAME, "#show=lost")
    assert ids(tab) == ["1", "2", "3"]
    reasons = tab.locator(".example").first.locator(".lost .hole").all_text_contents()
    assert reasons == ["failed: KeyError: '<b>unk</b>' at my_model.py:12"] * 4
    show(tab, pages / "losses", NAME, "#show=refused")
    assert ids(tab) == ["2"]
    tab.locator("#show").select_option("missing")
    first_is(tab, 3)
    assert set(tab.locator(".lost .hole").all_text_contents()) == {"missing: picture 7: no such file"}
    tab.locator(".lost").first.click()
    until(tab, "document.querySelector('#viewer').open")
    assert "picture 7: no such file" in tab.locator("#viewer").inner_text()
    show(
        tab,
        pages / "losses",
        NAME,
        "#show=lost&models=stable-diffusion&a=stable-diffusion&b=stable-diffusion&bcontext=3-captions&context=1-caption",
    )
    assert ids(tab) == ["2", "3"]
    show(tab, pages / "contexts", NAME)
    offered = tab.locator("#show option").evaluate_all("(options) => options.map(({ value }) => value)")
    assert offered == ["all", "a", "b", "tie"]  # no filter that would leave nothing


def test_the_histogram_filters_by_brushing_and_by_numbers(tab: Any, pages: Path) -> None:
    show(tab, pages / "one", NAME, "#a=gill&b=stable-diffusion")
    draw_plots(tab)
    area = tab.locator(".plot-area.histogram")
    assert "30 examples, from 0.00500 to 2.9050" in area.locator("canvas").get_attribute("aria-label")
    box = area.bounding_box()
    middle = box["x"] + 38 + (box["width"] - 46) / 2
    tab.mouse.move(middle, box["y"] + 50)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] - 2, box["y"] + 60, steps=3)
    tab.mouse.up()
    until(tab, "document.querySelector('#status').textContent.startsWith('15 of 30')")
    assert ids(tab)[0] == "15"
    assert tab.locator(".histogram .brush").is_visible()
    tab.locator("#range-a-low").fill("2.65")
    tab.locator("#range-a-low").press("Enter")
    until(tab, "document.querySelector('#status').textContent.startsWith('3 of 30')")
    assert ids(tab) == ["27", "28", "29"]
    show(tab, pages / "one", NAME, tab.evaluate("location.hash"))
    assert ids(tab) == ["27", "28", "29"]
    assert tab.locator("#plots").is_visible()
    tab.get_by_role("button", name="Clear filters").first.click()
    until(tab, "document.querySelector('#status').textContent.startsWith('30 examples')")
    assert not tab.locator(".histogram .brush").is_visible()


def test_the_scatter_filters_by_a_rectangle_of_a_finger(tab: Any, pages: Path) -> None:
    show(tab, pages / "contexts", NAME, "#a=gill&context=1-caption&b=stable-diffusion")
    draw_plots(tab)
    area = tab.locator(".plot-area.scatter")
    assert "A is above B in 10 examples" in area.locator("canvas").get_attribute("aria-label")
    # B's values go from 0.40 to 0.49, A has 0.5 throughout: the lower half of the plot has the first five.
    box = area.bounding_box()
    left, right = box["x"] + 40, box["x"] + box["width"] - 10
    low, high = 8, 182  # where the plot begins and ends in its area
    top = box["y"] + low + (high - low) * 0.55
    session = tab.context.new_cdp_session(tab)
    for kind, x, y in (("touchStart", left, top), ("touchMove", right, box["y"] + high - 2), ("touchEnd", None, None)):
        points = [] if x is None else [{"x": x, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    until(tab, "document.querySelector('#status').textContent.startsWith('5 of 10')")
    assert ids(tab)[:4] == ["0", "1", "2", "3"]
    assert set(choices(tab)) >= {"range-a", "range-b"}


def test_the_shown_examples_are_saved_as_csv_and_zip(tab: Any, pages: Path, tmp_path: Path) -> None:
    show(tab, pages / "losses", NAME, "#show=lost")
    with tab.expect_download() as started:
        tab.locator("#csv").click()
    started.value.save_as(tmp_path / "samples.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "samples.csv").read_text("utf-8-sig"))))
    assert {row["example"] for row in rows} == {"example-1", "example-2", "example-3"}
    first = next(row for row in rows if row["model"] == MODELS[0] and row["context"] == "3-captions")
    assert (first["seed"], first["clip-similarity"], first["outcome"]) == ("0", "0.41", "made")
    assert first["prompt"] == "caption 0 of story 1 caption 1 of story 1 caption 2 of story 1"
    failed = next(row for row in rows if row["outcome"] == "failed")
    assert failed["reason"] == "KeyError: '<b>unk</b>' at my_model.py:12"
    with tab.expect_download() as started:
        tab.locator("#zip").click()
    started.value.save_as(tmp_path / "samples.zip")
    with zipfile.ZipFile(tmp_path / "samples.zip") as archive:
        assert archive.testzip() is None
        listed = list(csv.DictReader(io.StringIO(archive.read("samples.csv").decode())))
        pictures = [row["picture"] for row in listed if row["picture"]]
        assert pictures
        assert set(pictures) <= set(archive.namelist())
        assert archive.read(pictures[0]) == (pages / "run" / f"{MODELS[0]}.png").read_bytes()
        assert "data/photo-1-2.png" in archive.namelist()


def test_a_spreadsheet_runs_no_text_of_a_model(tab: Any, pages: Path) -> None:
    show(tab, pages / "one", NAME)
    texts = ["=1+1", "-2", 'a "b", c', -2.5, None]
    assert tab.evaluate("(texts) => csvText([texts])", texts) == '\'=1+1,\'-2,"a ""b"", c",-2.5,\r\n'


def test_only_examples_in_view_are_in_the_document(tab: Any, pages: Path) -> None:
    show(tab, pages / "many", NAME)
    count = "document.querySelectorAll('.example').length"
    assert 2 <= tab.evaluate(count) <= 12
    assert tab.locator(".example").first.get_attribute("aria-setsize") == "400"
    scroll(tab, HEIGHT)
    until(tab, "[...document.querySelectorAll('.example h2')].at(-1)?.textContent === 'example-399'")
    until(tab, FILLED)
    assert tab.evaluate(count) <= 12
    assert tab.locator("img").evaluate_all(
        "(images) => images.every(({ loading, decoding }) => loading === 'lazy' && decoding === 'async')"
    )
    middle = "document.querySelector('#list').getBoundingClientRect().top + scrollY + 200 * 300"
    scroll(tab, middle)
    until(tab, "document.querySelectorAll('.example').length > 2 && document.querySelector('.example').at > 150")
    until(tab, FILLED)
    for above, below in pairwise(boxes(tab.locator(".example"))):
        assert below["y"] == pytest.approx(above["y"] + above["height"], abs=1)


def test_heights_that_are_known_late_leave_the_reader_in_place(tab: Any, pages: Path) -> None:
    """A card counts with a usual height, which is half too much for these, until the browser measures it."""
    tab.add_init_script(HELD_BACK)
    measured = f"measure() || {HEIGHT} < 100_000"
    last = "[...document.querySelectorAll('.example')].at(-1)"
    show(tab, pages / "many", NAME, "#example=example-200")
    until(tab, "document.querySelector('#viewer').open")
    assert tab.evaluate(HEIGHT) > 100_000
    until(tab, measured)
    card = "[...document.querySelectorAll('.example')].find(({ at }) => at === 200)"
    assert tab.evaluate(f"{card}.getBoundingClientRect().top - headHeight()") == pytest.approx(0, abs=1)
    show(tab, pages / "many", NAME)
    scroll(tab, HEIGHT)
    until(tab, f"{last}.at === 399 && {last}.querySelector('.context')")
    assert tab.evaluate(HEIGHT) > 100_000
    until(tab, measured)
    assert tab.evaluate(f"{last}.at") == 399
    assert tab.evaluate(f"scrollY + innerHeight - {HEIGHT}") == pytest.approx(0, abs=1)


HELD_BACK = """{
    const held = [];
    globalThis.ResizeObserver = class extends ResizeObserver {
        constructor(act) { super((entries, own) => held.push(() => act(entries, own))); }
    };
    globalThis.measure = () => { for (const act of held.splice(0)) act(); };
}"""


def test_partiprompts_shows_label_votes_probability_and_decision(tab: Any, tmp_path: Path) -> None:
    facts = {"label": "gen", "votes": "gen,gen,gen,ret,same", "part": "test"}
    words = ("decision: generate\nprobability: 0.25", "decision: retrieve\nprobability: 0.75")
    examples = [
        GalleryExample(f"p{at}", f"p{at}", ("a cat",), None, (), facts, {"gill": (ShownOutput(0, None, text),)})
        for at, text in enumerate(words)
    ]
    silent = [replace(example, outputs={"gill": (ShownOutput(0, None),)}) for example in examples]
    task = ("partiprompts", "Decide")
    galleries = [Gallery(*task, "classifier", ("gill",), silent, []), Gallery(*task, "decide", ("gill",), examples, [])]
    write_page(tmp_path / "page", content(tmp_path, *galleries))
    show(tab, tmp_path / "page", "gallery-partiprompts.html")
    first, second = tab.locator(".example").all()
    assert "label gen votes 3 gen, 1 ret, 1 same" in " ".join(first.locator("header").inner_text().split())
    assert first.locator("thead th").all_text_contents() == ["Model", "decide"]  # not the context without words
    assert first.locator("td").inner_text().split("\n")[0] == "decision: generate as labelled"
    assert "probability: 0.25" in first.locator("td").inner_text()
    assert second.locator("td").inner_text().split("\n")[0] == "decision: retrieve label gen"


def test_texts_and_values_are_shown_where_there_are_no_pictures(tab: Any, tmp_path: Path) -> None:
    written = (ShownOutput(0, None, " a cat"),)
    examples = [
        GalleryExample("q1", "q1", ("what is it?",), None, ("a dog", "dog"), {}, {"gill": written}),
        GalleryExample("q2", "q2", ("and this?",), None, (), {}, {"gill": (ShownOutput(0, tmp_path / "gone.png"),)}),
    ]
    scores = [replace(gallery(tmp_path, count=2).scores[0], by_model={"gill": {0: {"q1": 0.3}}})]
    write_page(tmp_path / "page", content(tmp_path, Gallery("vist", "Words", CONTEXT, MODELS[1:], examples, scores)))
    show(tab, tmp_path / "page", NAME, "#sort=a-best")
    first, second = tab.locator(".example").all()
    assert first.locator("td.words").inner_text().split() == ["a", "cat", "0.3000"]
    assert "a dog" in first.locator(".references").inner_text()
    assert "no picture" in second.inner_text()
    assert not tab.locator("#duel").is_visible()


def test_without_a_test_only_the_difference_stands_under_the_bar(tab: Any, tmp_path: Path) -> None:
    """A gallery whose examples form one cluster has no test."""
    write_page(tmp_path / "page", replace(content(tmp_path, gallery(tmp_path)), tests=[]))
    show(tab, tmp_path / "page", NAME)
    assert "examples that both have" in tab.locator("#test").inner_text()
    assert "null" not in tab.locator("body").inner_text()
    assert tab.locator("#metric").input_value() == METRIC
