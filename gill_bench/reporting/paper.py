"""The paper's numbers of one table."""

from __future__ import annotations

from collections.abc import Mapping

from gill_bench.cards.find import PublishedCard, PublishedNumber, ReportCard, ReportColumn, ReportRow
from gill_bench.reporting.structure import Published, shifted


class Paper:
    """The numbers that a layout refers to, by row, column and metric.

    Args:
        card: The layout.
        published: All numbers of the paper, or None: no number is found then.
    """

    def __init__(self, card: ReportCard, published: PublishedCard | None) -> None:
        numbers = published.numbers if published else ()
        self._card = card
        self._numbers: Mapping[tuple[str, str, str], PublishedNumber] = {
            (item.row, item.column, item.metric): item for item in numbers if item.table == card.published_table
        }

    def find(self, row: ReportRow, column: ReportColumn) -> PublishedNumber | None:
        """The number of a cell as it is listed, or None."""
        return self._numbers.get((row.published, column.published or row.published_column, column.published_metric))

    def number(self, row: ReportRow, column: ReportColumn) -> Published | None:
        """The number of a cell in the column's unit, or None."""
        found = self.find(row, column)
        if found is None:
            return None
        units = {("fraction", True): ("percent", 2), ("percent", False): ("fraction", -2)}
        unit, places = units.get((found.unit, column.percent), (found.unit, 0))
        std = None if found.std is None else shifted(found.std, places)
        return Published(shifted(found.value, places), std, unit, found.source, found.note)

    def directions(self) -> list[bool | None]:
        """Per column, which way its metric points; None where the paper has no number."""
        found = []
        for column in self._card.columns:
            numbers = (self.find(row, column) for row in self._card.rows)
            known = (number.higher_is_better for number in numbers if number)
            found.append(next((direction for direction in known if direction is not None), None))
        return found
