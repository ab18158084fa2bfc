"""The tables of docs/data-and-weights.md, made from the cards by `python -m tests.support.data_and_weights`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gill_bench.cards.find import Cards, Component
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "data-and-weights.md"
_HEAD = """# Data and weights: licences, sources, citations

These tables are made from the cards in `tasks/` and `baselines/`, and a test keeps them current. Neither data nor
weights of others come with gill-bench; the small embedded weights and the mini world were made for it (Apache-2.0).
The licences are as far as the authors of gill-bench know them: before you use data or weights, read their terms at the
source. `gill-bench show CARD` prints a card with its licences.

A card of your own can pin weights of the Hugging Face hub to a commit or tag: `revision = "..."` beside `id`. The
revision is then downloaded, and is part of the weights' label in signatures and of their digest.
"""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)


def _uses() -> dict[str, tuple[Component, list[str]]]:
    """The components of all cards by folder, each with the cards that use it."""
    cards = Cards()
    uses = [(card.name, component) for card in cards.models() for component in card.weights.values()]
    uses += [(card.name, spec.weights) for card in cards.tasks() for spec in card.metrics if spec.weights]
    components: dict[str, tuple[Component, list[str]]] = {}
    for card, component in uses:
        names = components.setdefault(component.folder, (component, []))[1]
        if card not in names:
            names.append(card)
    return components


def page() -> str:
    """The whole page."""
    data = (
        (
            f"`{card.name}`",
            card.data.licence,
            card.data.citation,
            ", ".join(sorted({d.url for d in card.data.downloads})),
        )
        for card in Cards().tasks()
    )
    weights = (
        (f"`{component.folder}`", component.licence or "your own", component.url, ", ".join(f"`{n}`" for n in names))
        for component, names in _uses().values()
    )
    return (
        f"{_HEAD}\n## Data of the tasks\n\n{_table(('task', 'licence', 'citation', 'source'), data)}"
        f"\n## Weights\n\n{_table(('folder', 'licence', 'source', 'used by'), weights)}"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
