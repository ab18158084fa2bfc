"""Metrics whose encoder is a part of the model that they measure: the reader of a table is told so."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gill_bench.reporting.structure import Table

_OF_METRIC = re.compile(r"\|weights:([0-9a-f]{8})(?:\||$)")
_OF_MODEL = re.compile(r"(?:^|\|)weights\.([^:|]+):([0-9a-f]{8})")


def own_encoder_notes(table: Table) -> Iterator[str]:
    """A sentence for each metric whose network is, by the digest of its weights, a component of a measured model."""
    models: dict[tuple[str, str, str], dict[str, None]] = {}
    for line in table.lines:
        for column, cell in zip(table.columns, line.cells, strict=True):
            network = _OF_METRIC.search(cell.signature)
            components = _OF_MODEL.findall(cell.model_signature)
            for component, weights in components if network else ():
                if network is not None and weights == network[1]:
                    models.setdefault((column.metric, component, weights), {})[line.title] = None
    for (metric, component, weights), titles in models.items():
        yield (
            f"OWN ENCODER: the network of {metric} is a component of {' / '.join(titles)} itself ({component}, the same"
            f" weights {weights}). What it does not see is neither used nor missed: read the number beside that of"
            " another network."
        )
