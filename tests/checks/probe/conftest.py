"""Probes of planted models on the embedded world."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from gill_bench.cards.find import Cards
from gill_bench.checks.probe import probe, probe_cells, usable_contexts
from gill_bench.models.class_adapter import card_of_class
from gill_bench.planning.cells import Cell
from gill_bench.rundir.probes import ContextProbe
from tests.conftest import ROOT
from tests.support import planted

Prober = Callable[..., ContextProbe]


@pytest.fixture(scope="session")
def prober(_cache: None) -> Prober:
    """Probes an object in a task and context of the embedded world, without networks that compare pictures."""

    @cache
    def cell(task: str, context: str, name: str) -> Cell:
        model = card_of_class(f"{ROOT / 'tests/support/planted.py'}:{name}")
        card = Cards().task(task)
        contexts, left_out = usable_contexts(card, model, [context])
        assert left_out == []
        _, cells = probe_cells(
            card,
            model,
            contexts,
            data="mini",
            split=None,
            weights="mini",
            metric_weights="mini",
            settings={},
            device="cpu",
        )
        return cells[0]

    def run(
        model: planted.Planted,
        task: str = "vist",
        context: str = "5-captions-4-images",
        *,
        seed: int = 0,
        calls: int = 60,
    ) -> ContextProbe:
        probed_cell = cell(task, context, type(model).__name__)
        return probe(model, probed_cell, seed=seed, calls=calls, networks=False)

    return run
