"""Licences, citations and revisions: every built-in card has them, and the page in docs/ is made from the cards."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gill_bench.cards.find import Cards, Component
from gill_bench.cards.sources import WebFile
from tests.support.data_and_weights import PAGE, page


def test_the_page_of_data_and_weights_is_made_from_the_cards() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.support.data_and_weights"


def test_data_and_published_weights_have_their_licence() -> None:
    cards = Cards()
    assert [card.name for card in cards.tasks() if not card.data.licence or not card.data.citation] == []
    components = [component for card in cards.models() for component in card.weights.values()]
    components += [spec.weights for card in cards.tasks() for spec in card.metrics if spec.weights]
    assert {item.folder for item in components if not item.licence and "trained with" not in item.url} == set()


def test_the_data_of_every_task_can_be_fetched_in_its_usual_split() -> None:
    for card in Cards().tasks():
        for download in card.data.downloads:
            file = download.web_file(card.data.split)
            assert download.listed or (file is not None and file.url.startswith("http")), (card.name, download.what)
            assert "{" not in (file.url if file else "")


def test_how_a_file_is_fetched_is_no_part_of_the_card_that_a_run_stores() -> None:
    card = Cards().task("vist")
    assert any(download.fetch for download in card.data.downloads)
    stored = card.model_dump(mode="json", by_alias=True)
    assert {key for download in stored["data"]["downloads"] for key in download} == {
        "what",
        "url",
        "to",
        "also",
        "size",
    }


def test_a_checksum_is_one() -> None:
    assert WebFile(sha256="7be5be79").sha256 == "7be5be79"
    for wrong in (
        {"sha256": "7BE5BE79"},
        {"sha256": "7be5"},
        {"md5": "7be5be79"},
        {"url": "ftp://a.b/c"},
        {"bytes": -1},
    ):
        with pytest.raises(ValidationError):
            WebFile.model_validate(wrong)


def test_a_revision_needs_a_hub_id() -> None:
    assert Component(id="me/words", revision="v1.0").revision == "v1.0"
    for wrong in ({"folder": "words", "revision": "v1.0"}, {"id": "me/words", "revision": "../main"}):
        with pytest.raises(ValidationError, match="revision"):
            Component.model_validate(wrong)
