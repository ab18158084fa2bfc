"""A page as files: what it says, that it is literal, and that it is renewed without harm."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gill_bench.analysis.gallery_records import Gallery
from gill_bench.cards.find import Cards
from gill_bench.reporting.page import write_page
from gill_bench.reporting.page.galleries import GalleryPage, page_name
from gill_bench.reporting.page.tables import view_tables
from gill_bench.reporting.text import mean_std, published
from tests.reporting.page.content import CONTEXT, HOSTILE, METRIC, MODELS, content, gallery, one_test, value_of
from tests.support.made_up import seeds, table, usual_rows


class Elements(HTMLParser):
    """Tags and attributes of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(folder: Path, name: str = "index.html") -> Elements:
    return Elements((folder / name).read_text("utf-8"))


def data_of(folder: Path, page: str) -> dict[str, object]:
    name = next(attrs["data-name"] for tag, attrs in page_of(folder, page).tags if tag == "body")
    value = value_of(folder, str(name))
    assert isinstance(value, dict)
    return value


def test_numbers_are_those_of_every_format(tmp_path: Path) -> None:
    result_table = table(usual_rows(), Cards().published())
    views, behind = view_tables([result_table], {}, [], [])
    for line, view in zip(result_table.lines, views[0].lines, strict=True):
        for cell, column, shown in zip(line.cells, result_table.columns, view.cells, strict=True):
            if cell.mean is not None:
                assert shown.text + (f" ± {shown.spread}" if shown.spread else "") == mean_std(
                    cell.mean, cell.std, column.digits
                )
            assert shown.paper == published(cell.published, column.digits)
            assert shown.best == cell.best
    number = behind["small.2.0"]
    assert number["signature"] == "metric:clip-similarity|size:224"
    assert [row["value"] for row in number["rows"]] == [0.58, 0.58]
    assert number["published"]["source"] == "Tab. 1"


def test_a_number_leads_to_its_samples_and_its_tests() -> None:
    gallery_page = GalleryPage("vist", "Stories", "gallery-vist.html", [{"name": CONTEXT, "models": list(MODELS)}])
    _, behind = view_tables([table(usual_rows())], {}, [gallery_page], [one_test()])
    number = behind["small.1.0"]  # GILL, 1 caption, CLIP similarity
    assert number["link"] == "gallery-vist.html#context=1-caption&metric=clip-similarity&a=gill"
    assert [test["models"] for test in number["tests"]] == [list(MODELS)]
    assert behind["small.1.2"]["tests"] == []  # LPIPS was not tested
    assert behind["small.1.1"]["link"] == ""  # no gallery of this context


def test_a_metric_of_some_examples_leads_to_these() -> None:
    page = GalleryPage("vqav2", "VQA", "gallery-vqav2.html", [{"name": "question", "models": ["gill"]}])
    assert page.link("question", "vqa-accuracy/answer_type/yes/no", "gill") == (
        "gallery-vqav2.html#context=question&metric=vqa-accuracy&a=gill&fact=answer_type%3Ayes%2Fno"
    )
    assert page.link("question", "vqa-accuracy", "opt") is None


def test_names_of_tasks_are_safe_as_names_of_files() -> None:
    names = [page_name(name) for name in ("vist", "../../etc", "a b", "a-b", "a/b")]
    assert len(set(names)) == 5
    assert all(re.fullmatch(r"gallery-[A-Za-z0-9_-]+\.html", name) for name in names)


def test_the_page_shows_licences_and_citations_of_data_and_weights(tmp_path: Path) -> None:
    write_page(tmp_path / "page", content(tmp_path))
    text = page_of(tmp_path / "page").text
    assert "terms of the photos" in text
    assert "Huang et al., NAACL 2016" in text
    for role, component in Cards().model("gill").weights.items():
        assert component.licence, role
        assert component.licence in text


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    write_page(tmp_path / "page", content(tmp_path, texts=HOSTILE))
    for name, script in (("index.html", "index.js"), ("gallery-vist.html", "gallery.js")):
        page = page_of(tmp_path / "page", name)
        scripts = [attrs for tag, attrs in page.tags if tag == "script"]
        assert {"src": "page.js", "defer": None} in scripts
        assert scripts[-1] == {"src": script, "defer": None}
        assert all(attrs.keys() == {"src", "defer"} for attrs in scripts)
        assert not [attr for _, attrs in page.tags for attr in attrs if attr.startswith("on")]
        assert HOSTILE[1] in page.text
    for file in tmp_path.glob("page/data/*.js"):
        assert "<" not in file.read_text("ascii")


def test_texts_on_the_page_are_those_that_the_models_were_given(tmp_path: Path) -> None:
    write_page(tmp_path / "page", content(tmp_path, texts=HOSTILE[:4]))
    manifest = data_of(tmp_path / "page", "gallery-vist.html")
    context = manifest["contexts"][0]  # type: ignore[index]
    index = value_of(tmp_path / "page", context["index"])
    block = value_of(tmp_path / "page", index["blocks"][0])  # type: ignore[index]
    assert [item["prompt"][0] for item in block] == list(HOSTILE[:3])  # type: ignore[attr-defined]
    values = value_of(tmp_path / "page", context["metrics"][0]["values"])
    assert values["gill"] == {"0": [0.0, 0.1, 0.2], "1": [0.01, 0.11, 0.21]}  # type: ignore[index]


def test_the_page_names_nothing_outside_itself(tmp_path: Path) -> None:
    write_page(tmp_path / "page", content(tmp_path))
    for name in ("index.html", "gallery-vist.html"):
        for _, attrs in page_of(tmp_path / "page", name).tags:
            for key in ("src", "href"):
                target = (attrs.get(key) or "").partition("#")[0]
                assert not target or (tmp_path / "page" / target).is_file(), target
    scripts = "".join(file.read_text("utf-8") for file in (tmp_path / "page").glob("*.js"))
    assert "startReport" in scripts
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|fetch\(|https?:", scripts)
    everything = "".join(file.read_text("utf-8") for file in (tmp_path / "page").rglob("*.js"))
    assert str(tmp_path) not in everything


def test_the_page_shows_provenance_and_citations(tmp_path: Path) -> None:
    write_page(tmp_path / "page", content(tmp_path))
    text = page_of(tmp_path / "page").text
    for part in ("c0ffee", "torch 2.6.0", "num_inference_steps = 10", "llm abababababab", "picture 7: no such file"):
        assert part in text
    assert "@inproceedings{koh2023generating," in text
    assert "@software{gill-bench," in text


def test_full_pictures_are_linked_to_from_inside_the_run(tmp_path: Path) -> None:
    large = gallery(tmp_path, side=300)
    write_page(tmp_path / "run" / "page", content(tmp_path, large, inside=tmp_path / "run"))
    text = "".join(file.read_text("ascii") for file in tmp_path.glob("run/page/data/*.js"))
    links = re.findall(r'"full":("[^"]*")', text)
    assert len(links) == 12
    assert all((tmp_path / "run" / "page" / json.loads(link)).is_file() for link in links)
    write_page(tmp_path / "elsewhere", content(tmp_path, large))
    text = "".join(file.read_text("ascii") for file in tmp_path.glob("elsewhere/data/*.js"))
    assert '"full"' not in text


def test_writing_again_changes_nothing(tmp_path: Path) -> None:
    def files() -> dict[str, bytes]:
        there = (file for file in (tmp_path / "page").rglob("*") if file.is_file())
        return {file.relative_to(tmp_path).as_posix(): file.read_bytes() for file in there}

    same = content(tmp_path)
    write_page(tmp_path / "page", same)
    before = files()
    write_page(tmp_path / "page", same)
    assert files() == before


def test_an_interrupted_renewal_leaves_the_page_whole(tmp_path: Path) -> None:
    write_page(tmp_path / "page", content(tmp_path))
    before = (tmp_path / "page" / "index.html").read_bytes()
    manifest = data_of(tmp_path / "page", "gallery-vist.html")

    def stopped() -> object:
        yield gallery(tmp_path, count=7)
        raise KeyboardInterrupt

    renewed = content(tmp_path)
    object.__setattr__(renewed, "galleries", stopped())
    with pytest.raises(KeyboardInterrupt):
        write_page(tmp_path / "page", renewed)
    assert (tmp_path / "page" / "index.html").read_bytes() == before
    assert data_of(tmp_path / "page", "gallery-vist.html") == manifest


def test_galleries_without_scores_or_pictures_are_shown(tmp_path: Path) -> None:
    bare = gallery(tmp_path)
    empty = Gallery(bare.task, bare.title, bare.context, bare.models, [], [], "The data is gone.")
    write_page(tmp_path / "page", content(tmp_path, empty))
    manifest = data_of(tmp_path / "page", "gallery-vist.html")
    assert manifest["contexts"][0]["note"] == "The data is gone."  # type: ignore[index]


def test_a_table_without_any_run_is_shown(tmp_path: Path) -> None:
    result_table = table(seeds("gill", CONTEXT, METRIC, [None, None], n_scored=0))
    views, behind = view_tables([result_table], {}, [], [])
    assert views[0].lines[0].cells[0].text == "×"
    assert behind["small.0.0"]["status"] == "Run, but nothing could be scored."
