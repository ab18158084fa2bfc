"""The result of a probe as a table for the terminal, with the sentences that a reader of its numbers needs."""

from __future__ import annotations

import io
from collections.abc import Iterator

from gill_bench.rundir.probes import ContextProbe, ProbedPart

_CHANGES = ("dropped", "blanked", "exchanged")


def render_probe(probe: ContextProbe, width: int, color: bool) -> str:
    """Render for a terminal.

    Args:
        probe: The result.
        width: Columns of the terminal.
        color: Whether to use bold and colours (ANSI escapes).
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    measures = list(dict.fromkeys(name for part in probe.parts for name in part.measures))
    pictures = any(part.blanked is not None for part in probe.parts)
    changes = [change for change in _CHANGES if change != "blanked" or pictures]
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in ("part", "verdict", "changed", "effect", *measures, *changes):
        table.add_column(Text(title), justify="left" if title in ("part", "verdict") else "right", overflow="fold")
    styles = {"read": "green", "weakly read": "yellow", "not read": "bold red"}
    for part in probe.parts:
        table.add_row(
            f"{part.kind} {part.position}",
            Text(part.verdict, style=styles[part.verdict]),
            f"{part.changed} of {part.trials}",
            f"{part.effect:.3g}",
            *(_number(part.measures.get(name)) for name in measures),
            *(_number(getattr(part, change)) for change in changes),
        )
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=color, color_system="standard" if color else None, highlight=False
    )
    console.print(Text(f"{probe.model} in {probe.task}/{probe.context}: {probe.in_words()}", style="bold"))
    console.print(table)
    for sentence in sentences_of(probe):
        console.print(Text(sentence))
    return out.getvalue()


def sentences_of(probe: ContextProbe) -> Iterator[str]:
    """Sentences that say on which calls, examples and measures the verdicts of a probe rest."""
    orders = "; ".join(f"of {kind}s {verdict}" for kind, verdict in probe.orders.items())
    yield f"Order: {probe.order}" + (f" ({orders})." if len(probe.orders) > 1 else ".")
    if not probe.same_again:
        yield (
            "Repeatable: no. The same call gives another output each time, so that parts are judged against what"
            " repeating changes; what is smaller than that counts as not read."
        )
    elif probe.batch_dependent:
        yield (
            "Repeatable: only in the same batch. A prompt's output depends on the other prompts and pictures of its"
            " call; a run's numbers depend on --batch-size."
        )
    else:
        yield "Repeatable: yes, alone and in a batch."
    yield (
        f"Effect: the mean change of the output when the part is that of another cluster; 1 is the change by"
        f" {probe.unit}. Changed: outputs that changed at all."
    )
    unread = [part for part in probe.parts if part.at_most is not None]
    for trials in dict.fromkeys(part.trials for part in unread):
        names = ", ".join(_name(part) for part in unread if part.trials == trials)
        bound = next(part.at_most for part in unread if part.trials == trials)
        assert bound is not None
        yield f"Read in 0 of {trials} trials: in at most {100 * bound:.2g} % of outputs (95 %): {names}."
    weak = [part for part in probe.parts if part.verdict == "weakly read"]
    if weak:
        each = ", ".join(f"{_name(part)} ({part.changed} of {part.trials}, effect {part.effect:.3g})" for part in weak)
        yield f"Weakly read, in few trials or with an effect far below that of the other parts: {each}."
    yield from probe.notes
    yield (
        f"{probe.calls} calls with {probe.prompts} prompts and {probe.outputs} outputs; examples"
        f" {', '.join(probe.examples[:6])}{', ...' if len(probe.examples) > 6 else ''}; seed {probe.seed}."
    )


def _name(part: ProbedPart) -> str:
    return f"{part.kind} {part.position}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
