"""The settings of task cards that the harness itself reads, each with its allowed values.

The settings that only the reader of a data set reads are listed in the reader's module (`gill_bench.datasets.options`).
"""

from __future__ import annotations

from collections.abc import Mapping

from gill_bench.cards.find import Value
from gill_bench.datasets.options import Choice
from gill_bench.errors import InputError

UNREADABLE = Choice("unreadable", ("count", "refuse"))
"""`[data]`: whether unreadable pictures count as missing, or the run is refused."""
NOISE = Choice("noise", ("per-example", "shared"))
"""`[prompt]`: each sample has noise of its own, or one generator per seed serves all examples in order."""
LAYOUT = Choice("layout", ("story", "authors_layout"))
"""`[scoring]`: one output per story, or outputs named by target picture, and a later story overwrites an earlier."""

_CHOICES = {"data": (UNREADABLE,), "prompt": (NOISE,), "scoring": (LAYOUT,)}
_RANGES = {
    "picture_size": (0, 4096),  # 0 keeps the size
    "max_new_tokens": (1, 4096),
    "warmup": (0, 1000),
    "search_candidates": (1, 10**9),
}
"""The least and the greatest value of each whole number in a `[prompt]` table."""


def check_settings_of_task(tables: Mapping[str, Mapping[str, Value]]) -> None:
    """Check the settings in a task card's tables, given by the tables' names.

    Raises:
        InputError: A value is not allowed.
    """
    for name, choices in _CHOICES.items():
        for choice in choices:
            choice.of(tables[name])
    for key, (least, most) in _RANGES.items():
        value = tables["prompt"].get(key, least)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise InputError(f"{key} = {value!r}; expected a whole number from {least} to {most}")
