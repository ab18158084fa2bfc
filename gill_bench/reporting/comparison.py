"""Two models or runs compared, as a table for a terminal: a row for each context and metric, with notes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from gill_bench.analysis.compare import LEVEL, Comparison, Comparisons
from gill_bench.reporting.columns import (
    GAP,
    GridColumn,
    GridGroup,
    GridLabel,
    aligned,
    lay_out,
    length,
    printed,
    wrapped,
)
from gill_bench.reporting.screen import Screen
from gill_bench.reporting.text import number

if TYPE_CHECKING:
    from rich.text import Text

NOT_AMONG_SO_MANY = "°"
_VERDICTS = {True: "better", False: "WORSE", None: "open"}
_DIGITS = 3


def render_comparisons(comparisons: Comparisons, sides: tuple[str, str], screen: Screen) -> str:
    """Render for a terminal.

    Args:
        comparisons: The comparisons.
        sides: The names of A and B, as the user gave them.
        screen: The terminal's width, whether to use bold and dim, and whether all notes are printed: of each row its
            examples, effect size and other p-values.
    """
    from rich.text import Text

    lines = [Text(f"{side}  {name}") for side, name in zip("AB", sides, strict=True)]
    groups = dict.fromkeys((each.task, each.models) for each in comparisons)
    for group in groups:
        rows = [each for each in comparisons if (each.task, each.models) == group]
        lines += [Text(""), Text(_title(*group), style="bold"), *_grid(rows, screen.width)]
    lines.append(Text(""))
    for sentence in (*_sentences(comparisons), *_left_out(comparisons)):
        lines += [Text(part) for part in wrapped(sentence, screen.width)]
    if screen.notes:
        lines += [Text(""), *(Text(sentence) for each in comparisons for sentence in _details(each))]
    changes = [Text(sentence) for each in comparisons for sentence in _changes(each)]
    return printed([*lines, *([Text(""), *changes] if changes else [])], screen)


def _title(task: str, models: tuple[str, str]) -> str:
    return f"{task}: {_models(models)}"


def _models(models: tuple[str, str]) -> str:
    return models[0] if models[0] == models[1] else f"{models[1]} (B) against {models[0]} (A)"


def _grid(rows: Sequence[Comparison], width: int) -> list[Text]:
    columns: list[tuple[str, Callable[[Comparison], str]]] = [
        ("A", lambda each: number(each.means[0], _digits(each))),
        ("B", lambda each: number(each.means[1], _digits(each))),
        ("difference", lambda each: f"{each.difference.mean:+z.{_digits(each)}f}"),
        ("95 % interval", _interval),
        ("p", lambda each: f"{each.p:.2g}"),
    ]
    cells: list[GridColumn] = [
        aligned(title, [(text(each), "", False) for each in rows], len(title)) for title, text in columns
    ]
    verdicts = [("", _verdict(each), each.better is not None) for each in rows]
    group = GridGroup("", (*cells, aligned("verdict", verdicts, len("verdict"))))
    context_width = max(length(text) for text in ("context", *(each.context for each in rows)))

    def side_by_side(context: str, metric: str) -> str:
        return f"{context.ljust(context_width)}{' ' * GAP}{metric}"

    # Contexts and metrics stand side by side, or below one another where that is too wide.
    choices: list[list[tuple[str, ...]]] = [
        [(side_by_side(each.context, each.metric),) for each in rows],
        [(each.context, each.metric) for each in rows],
        [(each.context, *each.metric.replace("[", " [").split()) for each in rows],
    ]
    widths = [max(length(part) for parts in labels for part in parts) + GAP + group.width for labels in choices]
    chosen = next((number for number, needed in enumerate(widths) if needed <= width), len(choices) - 1)
    corner = "context, metric" if chosen else side_by_side("context", "metric")
    return lay_out([group], [GridLabel(parts) for parts in choices[chosen]], width, corner)


def _digits(each: Comparison) -> int:
    """Decimals that show two digits of the interval's width: three, or more for a narrow one."""
    width = each.difference.high - each.difference.low
    return max(_DIGITS, 1 - math.floor(math.log10(width))) if 0 < width < 1 else _DIGITS


def _interval(each: Comparison) -> str:
    low, high = (number(end, _digits(each)) for end in (each.difference.low, each.difference.high))
    return f"[{low}, {high}]"


def _verdict(each: Comparison) -> str:
    mark = NOT_AMONG_SO_MANY if each.better is not None and each.p_holm > LEVEL else ""
    return f"{_VERDICTS[each.better]}{mark}"


def _sentences(comparisons: Comparisons) -> Iterator[str]:
    """The sentences below the rows: examples and seeds that were compared, examples that were not, and the verdicts."""
    yield from _said(comparisons, lambda each: [_counts(each)])
    yield from _said(comparisons, _incomplete)
    yield (
        "Difference: B minus A, over the same examples. p: approximate randomisation over clusters."
        f" open: the interval has 0, or p is above {LEVEL:g}."
    )
    if any(_verdict(each).endswith(NOT_AMONG_SO_MANY) for each in comparisons):
        yield f"{NOT_AMONG_SO_MANY} not among so many comparisons: p is above {LEVEL:g} after Holm's adjustment."


def _said(comparisons: Comparisons, sentences: Callable[[Comparison], Sequence[str]]) -> Iterator[str]:
    """Each sentence once; one that is not about all rows names those that it is about."""
    rows: dict[str, list[str]] = {}
    for each in comparisons:
        for sentence in sentences(each):
            rows.setdefault(sentence, []).append(_row_name(each, comparisons))
    for sentence, names in rows.items():
        yield f"{sentence}." if len(names) == len(comparisons) else f"{sentence} ({some(names)})."


def _row_name(each: Comparison, comparisons: Comparisons) -> str:
    name = f"{each.context}, {each.metric}"
    several = len({(other.task, other.models) for other in comparisons}) > 1
    return f"{_title(each.task, each.models)}, {name}" if several else name


def _counts(each: Comparison) -> str:
    seeds = f"seeds {', '.join(map(str, each.seeds))}" if len(each.seeds) > 1 else f"seed {each.seeds[0]}"
    return f"{each.difference.n} examples in {each.difference.clusters} clusters, {seeds}"


def _incomplete(each: Comparison) -> list[str]:
    kinds = (
        ("only in A", each.only_first),
        ("only in B", each.only_second),
        ("not with every seed", each.incomplete),
    )
    lacking = [f"Not compared, {kind}: {len(names)} examples ({some(names)})" for kind, names in kinds if names]
    return [*lacking, *(f"Note: {note}" for note in each.notes)]


def _left_out(comparisons: Comparisons) -> Iterator[str]:
    for left in comparisons.left_out:
        values = " -> ".join("-" if mean is None else f"{mean:.4f}" for mean in left.means)
        yield f"not compared: {left.task} {left.context} {left.metric}, {_models(left.models)}: {values}: {left.reason}"
    for side in "AB":
        unmatched = [name for owner, name in comparisons.unmatched if owner == side]
        if unmatched:
            yield f"only in {side}: {some(unmatched)}"


def _details(each: Comparison) -> Iterator[str]:
    yield f"{_title(each.task, each.models)}, {each.context}, {each.metric}:"
    effect = f"d_z {each.effect_size:+.2f}, " if each.effect_size is not None else ""
    mcnemar = f", McNemar p {each.p_mcnemar:.3g}" if each.p_mcnemar is not None else ""
    yield f"    {effect}p {each.p:.3g}, Holm {each.p_holm:.3g}, paired bootstrap p {each.p_bootstrap:.3g}{mcnemar}"
    yield f"    {_counts(each)}: B better in {each.wins}, worse in {each.losses}, equal in {each.ties}"


def _changes(each: Comparison) -> Iterator[str]:
    """The examples that changed most, each with the files to look at."""
    if each.changes:
        yield f"{_title(each.task, each.models)}, {each.context}, {each.metric}: changed most"
    for change in each.changes:
        yield f"    {change.example}, seed {change.seed}: {change.first:.4f} -> {change.second:.4f}"
        yield from (f"        {side}  {file}" for side, file in zip("AB", change.files, strict=True))


def some(names: Sequence[str]) -> str:
    """The first five names, and how many there are."""
    return ", ".join(names[:5]) + (f", ... ({len(names)}; all with --json)" if len(names) > 5 else "")
