"""`gill-bench list`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from gill_bench.cli.options import CardFolders
from gill_bench.cli.streams import emit


class Kind(StrEnum):
    """A kind of card."""

    tasks = "tasks"
    models = "models"
    tables = "tables"


def list_cards(
    kind: Annotated[Kind | None, typer.Argument(metavar="[tasks|models|tables]", help="Only one kind.")] = None,
    cards: CardFolders = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """List tasks, models and tables.

    \b
    Examples:
      gill-bench list
      gill-bench list models --json
    """
    from gill_bench.cards.find import Cards
    from gill_bench.storage.json import to_json

    all_cards = Cards(cards or ())
    content: dict[str, dict[str, str]] = {}
    if kind in (None, Kind.tasks):
        content["tasks"] = {
            card.name: f"{card.title} ({card.paper}); contexts: {', '.join(card.contexts)}"
            for card in all_cards.tasks()
        }
    if kind in (None, Kind.models):
        content["models"] = {
            card.name: f"{card.title}: "
            + (f"variant of {card.extends}" if card.extends else ", ".join(card.capabilities))
            for card in all_cards.models()
        }
    if kind in (None, Kind.tables):
        content["tables"] = {card.name: card.caption for card in all_cards.reports()}
    if json_:
        emit(to_json(content, indent=1))
        return 0
    width = max((len(name) for group in content.values() for name in group), default=0)
    for heading, group in content.items():
        emit(heading)
        for name, title in group.items():
            emit(f"  {name:<{width}}  {title}")
    return 0
