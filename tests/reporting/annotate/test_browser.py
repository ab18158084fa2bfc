"""The page in a real browser: two annotators at once, by keyboard, a kill in the middle, and the page from disk."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gill_bench.analysis.annotation.from_folder import material_of_folder
from gill_bench.analysis.annotation.material import StudyMaterial
from gill_bench.analysis.annotation.returned import add_returned
from gill_bench.analysis.annotation.study import open_study, read_study
from gill_bench.analysis.annotation.votes import HumanVote, VoteBook, read_votes
from gill_bench.cards.find import Cards
from gill_bench.planning.resolve import resolve_task
from gill_bench.reporting.annotate import AnnotationServer, write_static_folder
from tests.reporting.page.in_browser import until
from tests.support.annotation import PROMPTS, prompts_and_pictures
from tests.support.axe import serious_violations
from tests.support.chromium import PATIENCE, watched_page
from tests.support.cli import start_command

pytestmark = pytest.mark.enable_socket

PROGRESS = "document.getElementById('progress').textContent"
READY = "document.body.dataset.ready === 'true'"
ANSWERS = {"1": "left", "2": "same", "3": "right"}


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A page that fails its test if the console reports anything, or anything but this machine is asked."""
    with watched_page(browser, 1100, 800, ("http://127.0.0.1:", "file:", "data:", "blob:")) as opened:
        yield opened


def begin(tab: Any, address: str, name: str, done: int = 0) -> None:
    """Open the page and begin, by keyboard."""
    tab.goto(address)
    until(tab, "document.activeElement.id === 'name'")
    tab.keyboard.type(name)
    tab.keyboard.press("Enter")
    until(tab, f"{PROGRESS}.startsWith('{done} of ')")


def shown(tab: Any) -> dict[str, str]:
    """The pair that is shown: its item, and the hidden names of the left and the right picture."""
    until(tab, READY)
    names = {
        side: tab.locator(f"#{side}").get_attribute("src").split("/")[-1].split(".")[0] for side in ("left", "right")
    }
    return {"item": tab.evaluate("document.body.dataset.item"), "same": "same", **names}


def answer(tab: Any, keys: str, done: int) -> dict[str, str]:
    """Answer both questions with two keys; returns the vote, once it is saved."""
    pair = shown(tab)
    for key in keys:
        tab.keyboard.press(key)
    until(tab, f"{PROGRESS}.startsWith('{done} of ')")
    relevance, realism = (pair[ANSWERS[key]] for key in keys)
    return {"item": pair["item"], "left": pair["left"], "relevance": relevance, "realism": realism}


def by_side(study_folder: Path, votes: list[dict[str, str]]) -> dict[str, tuple[str, str, str]]:
    """The votes that were cast in the browser, by example, as (relevance, realism, left) in the names of sides."""
    sides = {name: side for name, (_, side) in read_study(study_folder).sides_by_name.items()} | {"same": "same"}
    return {vote["item"]: tuple(sides[vote[name]] for name in ("relevance", "realism", "left")) for vote in votes}  # type: ignore[misc]


def stored(votes: dict[str, HumanVote]) -> dict[str, tuple[str, str, str]]:
    return {example: (vote.relevance, vote.realism, vote.left) for example, vote in votes.items()}


@contextmanager
def command(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`gill-bench annotate` in a process of its own, with its address; it is killed at the end."""
    texts = ["--task", "partiprompts", "--data", str(folder / "data")]
    process = start_command("annotate", folder / "pictures", *texts, "--votes", folder / "votes")
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, process.communicate()[1]
        yield process, address
    finally:
        process.kill()
        process.communicate()


def test_two_annotators_at_once_and_a_kill_in_the_middle(browser: Any, tmp_path: Path) -> None:
    prompts_and_pictures(tmp_path)
    tabs = {name: browser.new_context().new_page() for name in ("Ann", "Bo ../../x")}
    votes: dict[str, list[dict[str, str]]] = {name: [] for name in tabs}
    with command(tmp_path) as (process, address):
        for name, tab in tabs.items():
            tab.set_default_timeout(PATIENCE)
            begin(tab, address, name)
        for done, keys in enumerate(("11", "23", "32"), start=1):
            for name, tab in tabs.items():
                votes[name].append(answer(tab, keys, done))
        process.send_signal(signal.SIGKILL)
        process.wait()
        unsaved = shown(tabs["Ann"])
        tabs["Ann"].keyboard.press("1")
        tabs["Ann"].keyboard.press("1")
        until(tabs["Ann"], "document.getElementById('message').textContent.includes('Not saved')")
        assert tabs["Ann"].evaluate(PROGRESS).startswith("3 of 8")
    with command(tmp_path) as (_, address):
        for name, tab in tabs.items():
            begin(tab, address, name, 3)
        assert shown(tabs["Ann"]) == unsaved  # the same pair, on the same sides
        for done in range(4, PROMPTS + 1):
            for name, tab in tabs.items():
                votes[name].append(answer(tab, "13" if name == "Ann" else "22", done))
        for tab in tabs.values():
            until(tab, "!document.getElementById('done').hidden")
    kept = read_votes(tmp_path / "votes", read_study(tmp_path / "votes"))
    assert {name: stored(of_annotator) for name, of_annotator in kept.items()} == {
        name: by_side(tmp_path / "votes", of_annotator) for name, of_annotator in votes.items()
    }
    orders = [[vote["item"] for vote in of_annotator] for of_annotator in votes.values()]
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]
    for tab in tabs.values():
        tab.context.close()


def test_an_answer_is_taken_back_and_given_anew(server: AnnotationServer, tab: Any, tmp_path: Path) -> None:
    begin(tab, server.address, "Ann")
    first = answer(tab, "13", 1)
    shown(tab)  # an answer to a pair that is not shown yet does not count
    tab.keyboard.press("2")
    tab.keyboard.press("u")  # takes back the answer to one question alone
    until(tab, "document.querySelectorAll('[aria-pressed=true]').length === 0")
    assert tab.evaluate(PROGRESS).startswith("1 of 8")
    tab.keyboard.press("u")
    until(tab, f"{PROGRESS}.startsWith('0 of ')")
    assert shown(tab)["item"] == first["item"]
    again = answer(tab, "22", 1)
    votes = read_votes(tmp_path / "votes", server.study)["Ann"]
    assert stored(votes) == by_side(tmp_path / "votes", [again])


def test_the_page_can_be_used_by_everybody(server: AnnotationServer, tab: Any) -> None:
    tab.goto(server.address)
    until(tab, "document.activeElement.id === 'name'")
    assert serious_violations(tab) == []
    begin(tab, server.address, "Ann")
    until(tab, READY)
    assert serious_violations(tab) == []
    # With the keys of every page, too: from button to button, and Enter.
    tab.locator("fieldset button").first.focus()
    tab.keyboard.press("Enter")
    for _ in range(3):
        tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    until(tab, f"{PROGRESS}.startsWith('1 of ')")
    for done in range(2, PROMPTS + 1):
        answer(tab, "22", done)
    until(tab, "!document.getElementById('done').hidden")
    assert serious_violations(tab) == []


def test_a_folder_from_disk_saves_a_file_that_is_read(material: StudyMaterial, tab: Any, tmp_path: Path) -> None:
    page = write_static_folder(tmp_path / "static", material)
    names = {file.name for file in (tmp_path / "static").rglob("*")}
    assert not [name for name in names if "generated" in name or "retrieved" in name]
    assert material.study.secret not in "".join(file.read_text() for file in (tmp_path / "static").glob("*.*"))
    begin(tab, page.as_uri(), "Zoë")
    votes = [answer(tab, keys, done) for done, keys in enumerate(("11", "23"), start=1)]
    begin(tab, page.as_uri(), "Zoë", 2)  # the browser has kept them
    votes.append(answer(tab, "31", 3))
    with tab.expect_download() as download:
        tab.keyboard.press("s")
    assert download.value.suggested_filename == "votes-Zoë.json"
    file = tmp_path / "sent.json"
    download.value.save_as(file)
    assert len(json.loads(file.read_text())["votes"]) == 3
    book = VoteBook(tmp_path / "votes", material.study)
    assert add_returned(file, material.study, book) == ("Zoë", 3)
    assert stored({vote.example: vote for vote in book.votes("Zoë")}) == by_side(tmp_path / "votes", votes)


def test_the_order_is_the_same_from_disk_and_from_a_server(
    server: AnnotationServer, material: StudyMaterial, tab: Any, tmp_path: Path
) -> None:
    begin(tab, write_static_folder(tmp_path / "static", material).as_uri(), "Ann")
    from_disk = shown(tab)
    begin(tab, server.address, "Ann")
    assert shown(tab) == from_disk


def test_hostile_texts_are_read_not_run(tab: Any, tmp_path: Path) -> None:
    data, _ = prompts_and_pictures(tmp_path)
    hostile = "</script><script>globalThis.hit = 1</script><img src=x onerror='globalThis.hit = 1'>"
    for file in data.glob("*.tsv"):
        file.write_text(file.read_text().replace("the sign says", hostile))
    card = resolve_task(Cards().task("partiprompts"), data=str(data), split=None, settings={})
    material = material_of_folder(tmp_path / "pictures", card, str(data), ())
    material = material.with_study(open_study(tmp_path / "votes", material.study))
    begin(tab, write_static_folder(tmp_path / "static", material).as_uri(), "<b onclick=hit()>")
    until(tab, READY)
    assert hostile in tab.locator("#prompt").inner_text()
    assert tab.evaluate("globalThis.hit === undefined")
    assert tab.locator("#prompt script, #prompt img").count() == 0
