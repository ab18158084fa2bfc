"""A metric whose network is a part of the model is named as such, by its weights."""

from __future__ import annotations

import pytest

from gill_bench.reporting.own_encoder import own_encoder_notes
from tests.support.made_up import row, table


@pytest.mark.parametrize(("weights", "marked"), [("cf5aeb09", True), ("cf5aeb08", False), ("1e5e56f8", False)])
def test_only_a_metric_with_the_models_own_weights_is_marked(weights: str, marked: bool) -> None:
    rows = [
        row(
            model,
            "1-caption",
            0,
            metric,
            0.5,
            signature=f"gill-bench:1|data:x|{metric}|encoder:clip|v:1|weights:{of_metric}",
            model_signature=f"adapter:{model}|weights.llm:1e5e56f7|weights.visual_encoder:{own}",
        )
        for model, own in (("gill", weights), ("glide", "00000000"))
        for metric, of_metric in (("clip-similarity", "cf5aeb09"), ("lpips", "69eec45f"))
    ]
    notes = list(own_encoder_notes(table(rows)))
    assert len(notes) == marked
    if marked:
        assert "the network of clip-similarity is a component of GILL itself (visual_encoder, the same" in notes[0]
        assert notes[0] in table(rows).notes
