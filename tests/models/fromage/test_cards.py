from __future__ import annotations

import pytest

from gill_bench.cards.find import Cards
from gill_bench.models import check_settings
from gill_bench.models.fromage import Settings


@pytest.mark.parametrize(("name", "folder"), [("fromage", "fromage_model"), ("fromage-vis4", "fromage_vis4")])
def test_the_cards_name_every_setting(name: str, folder: str) -> None:
    card = Cards(()).model(name)
    assert check_settings(card).model_dump() == dict(card.settings) == Settings().model_dump()
    assert (card.weights["checkpoint"].folder, card.weights["llm"].mini) == (folder, "opt-mini")
    assert set(card.capabilities) == {"image-retriever", "text-generator", "text-scorer"}
