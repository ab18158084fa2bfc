"""Licences, citations and revisions: every built-in card has them, and the page in docs/ is made from the cards."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gill_bench.cards.find import Cards, Component
from tests.support.data_and_weights import PAGE, page


def test_the_page_of_data_and_weights_is_made_from_the_cards() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.support.data_and_weights"


def test_data_and_published_weights_have_their_licence() -> None:
    cards = Cards()
    assert [card.name for card in cards.tasks() if not card.data.licence or not card.data.citation] == []
    components = [component for card in cards.models() for component in card.weights.values()]
    components += [spec.weights for card in cards.tasks() for spec in card.metrics if spec.weights]
    assert {item.folder for item in components if not item.licence and "trained with" not in item.url} == set()


def test_a_revision_needs_a_hub_id() -> None:
    assert Component(id="me/words", revision="v1.0").revision == "v1.0"
    for wrong in ({"folder": "words", "revision": "v1.0"}, {"id": "me/words", "revision": "../main"}):
        with pytest.raises(ValidationError, match="revision"):
            Component.model_validate(wrong)
