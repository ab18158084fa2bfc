"""Finds the paper's numbers for the cells of one table."""

from __future__ import annotations

from collections.abc import Mapping

from gill_bench.cards.find import PublishedCard, PublishedNumber, ReportCard, ReportColumn, ReportRow
from gill_bench.reporting.structure import Published, shifted


class Paper:
    """The numbers that a layout refers to, by row, column and metric.

    Args:
        card: The layout.
        published: All numbers of the paper; with None, no cell has a number.
    """

    def __init__(self, card: ReportCard, published: PublishedCard | None) -> None:
        numbers = published.numbers if published else ()
        self._card = card
        self._numbers: Mapping[tuple[str, str, str], PublishedNumber] = {
            (item.row, item.column, item.metric): item for item in numbers if item.table == card.published_table
        }

    def find(self, row: ReportRow, column: ReportColumn) -> PublishedNumber | None:
        """The paper's number for a cell as its card lists it; None if the paper has none."""
        return self._numbers.get((row.published, column.published or row.published_column, column.published_metric))

    def number(self, row: ReportRow, column: ReportColumn) -> Published | None:
        """The paper's number for a cell in the column's unit; None if the paper has none."""
        listed = self.find(row, column)
        if listed is None:
            return None
        units = {("fraction", True): ("percent", 2), ("percent", False): ("fraction", -2)}
        unit, digits = units.get((listed.unit, column.percent), (listed.unit, 0))
        std = None if listed.std is None else shifted(listed.std, digits)
        return Published(shifted(listed.value, digits), std, unit, listed.source, listed.note)

    def directions(self) -> list[bool | None]:
        """For each column, the paper's `higher_is_better` of its metric; None if the paper has no number."""
        directions = []
        for column in self._card.columns:
            numbers = (self.find(row, column) for row in self._card.rows)
            stated = (number.higher_is_better for number in numbers if number)
            directions.append(next((direction for direction in stated if direction is not None), None))
        return directions
