"""`gill-bench show`."""

from __future__ import annotations

from typing import Annotated

import typer

from gill_bench.cli.options import CardFolders
from gill_bench.cli.streams import emit


def show(
    name: Annotated[str, typer.Argument(metavar="CARD", help="A task, model or table by name, or a card's path.")],
    cards: CardFolders = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the checked card as JSON.")] = False,
) -> int:
    """Print a card after checking it; of a variant, with all fields that it takes from the model it extends.

    \b
    Examples:
      gill-bench show vist
      gill-bench show gill --json
      gill-bench show published
      gill-bench show ./my-model.toml
    """
    from gill_bench.cards.find import Cards
    from gill_bench.storage.json import to_json
    from gill_bench.storage.toml import to_toml

    card, file = Cards(cards or ()).find(name)
    if json_:
        emit(to_json(card.model_dump(mode="json", by_alias=True), indent=1))
    elif extends := getattr(card, "extends", ""):
        emit(f"# {file.name} extends {extends}: this is the whole card, with the fields that it takes from {extends}.")
        emit(to_toml(card.model_dump(mode="json", by_alias=True, exclude_unset=True)), nl=False)
    else:
        emit(file.read_text(encoding="utf-8"), nl=False)
    return 0
