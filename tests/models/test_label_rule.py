"""Rules over labels are cards without a model."""

from __future__ import annotations

import pytest

from gill_bench.cards.find import Cards
from gill_bench.errors import GillBenchError, InputError
from gill_bench.models import adapter, check_settings
from gill_bench.models.label_rule import Settings

RULES = ("always-retrieve", "always-generate", "random", "human")


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_has_a_card_and_nothing_to_load(rule: str) -> None:
    card = Cards().model(rule)
    settings = check_settings(card)
    assert isinstance(settings, Settings)
    assert settings.rule == rule
    assert card.capabilities == ("label-rule",)
    assert not card.weights
    adapter(card).check({}, settings)
    with pytest.raises(GillBenchError, match=f"{rule} is a rule over labels: there is no model to load"):
        adapter(card).load({}, settings, "cpu")


def test_a_rule_that_does_not_exist_is_refused() -> None:
    card = Cards().model("random")
    with pytest.raises(InputError, match="rule"):
        check_settings(card.model_copy(update={"settings": {"rule": "coin"}}))
