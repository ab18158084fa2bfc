"""The recipe of a cell: what changes outputs, and nothing else."""

from __future__ import annotations

from gill_bench.cards.find import Cards, ModelCard
from gill_bench.datasets.contexts import QuestionContext
from gill_bench.planning.recipe import recipe
from gill_bench.planning.resolve import read_task, resolve_task
from gill_bench.planning.resolved import ResolvedModel


def test_auto_is_of_a_kind_of_device_even_where_the_card_leaves_it_out() -> None:
    """Outputs of an accelerator, in bfloat16, are never taken for those of a CPU, in float32."""
    task = read_task(resolve_task(Cards().task("vqav2"), data="mini", split=None, settings={}), data="mini", limit=1)
    card = Cards().model("smolvlm")
    short = card.model_copy(update={"settings": {}})
    fixed = card.model_copy(update={"settings": {"dtype": "bfloat16"}})

    def auto_on(model: ModelCard, device: str) -> object:
        resolved = ResolvedModel(model, {}, {})
        return recipe(task, resolved, QuestionContext(), device).get("auto_on")

    assert (auto_on(card, "cpu"), auto_on(card, "cuda:1")) == ("cpu", "cuda")
    assert (auto_on(short, "cpu"), auto_on(short, "cuda:1")) == (None, "cuda")
    assert (auto_on(fixed, "cpu"), auto_on(fixed, "cuda:1")) == (None, None)
