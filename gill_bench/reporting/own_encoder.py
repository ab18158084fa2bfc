"""Metrics whose encoder is a part of the model that they measure: the reader of a table is told so."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gill_bench.reporting.structure import Table, TableCell

_OF_METRIC = re.compile(r"\|weights:([0-9a-f]{8})(?:\||$)")
_OF_MODEL = re.compile(r"(?:^|\|)weights\.([^:|]+):([0-9a-f]{8})")


def own_encoder(cell: TableCell) -> list[tuple[str, str]]:
    """The components of a cell's model that are, by the digest of their weights, the metric's network."""
    network = _OF_METRIC.search(cell.signature)
    components: list[tuple[str, str]] = _OF_MODEL.findall(cell.model_signature) if network else []
    return [item for item in components if network is not None and item[1] == network[1]]


def own_encoder_notes(table: Table) -> Iterator[str]:
    """A sentence for each metric whose network is, by the digest of its weights, a component of a measured model."""
    models: dict[tuple[str, str, str], dict[str, None]] = {}
    for line in table.lines:
        for column, cell in zip(table.columns, line.cells, strict=True):
            for component, weights in own_encoder(cell):
                models.setdefault((column.metric, component, weights), {})[line.title] = None
    for (metric, component, weights), titles in models.items():
        yield (
            f"OWN ENCODER: the network of {metric} is a component of {' / '.join(titles)} itself ({component}, the same"
            f" weights {weights}). What it does not see is neither used nor missed: read the number beside that of"
            " another network."
        )
