"""`gill-bench compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gill_bench.cli.options import Names, listed
from gill_bench.cli.streams import emit

if TYPE_CHECKING:
    from gill_bench.analysis.compare import Comparisons


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A run, or one of its models as RUN:MODEL.")],
    second: Annotated[str, typer.Argument(metavar="B", help="A run, or one of its models; differences are B minus A.")],
    metric: Annotated[
        list[str] | None, typer.Option("--metric", help="Only this metric; repeatable.", show_default="all")
    ] = None,
    examples: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Also show so many of the examples that changed most, with the files of their outputs.",
            show_default="none; 3 with --json",
        ),
    ] = None,
    notes: Annotated[
        bool, typer.Option("--notes", help="Also print each row's effect size, other p-values, wins and losses.")
    ] = False,
    names: Names = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON: everything, unmatched examples by name.")] = False,
) -> int:
    """Is B better than A? Paired over the examples and seeds that both have, clusters kept together.

    A row for each context and metric: A, B, the difference, its 95 % interval by cluster bootstrap, widened by what
    other seeds could change, p by approximate randomisation, and a verdict, which says where p does not hold among all
    rows (Holm). With --notes also d_z, the mean difference by its standard deviation, and McNemar where answers are
    right or wrong. See docs/comparing.md.

    \b
    Examples:
      gill-bench compare runs/before runs/after
      gill-bench compare runs/vist:stable-diffusion runs/vist:gill --metric clip-similarity --examples 5
      gill-bench compare before after --as before=runs/first:gill --as after=runs/second:gill
    """
    from gill_bench.analysis.compare import compare
    from gill_bench.analysis.named import given_names, side_of
    from gill_bench.cli.screen import screen
    from gill_bench.reporting.comparison import render_comparisons
    from gill_bench.storage.json import to_json

    shown = (3 if json_ else 0) if examples is None else examples
    given = given_names(names or ())
    sides = side_of(first, given), side_of(second, given)
    comparisons = compare(*sides, shown=shown, metrics=listed(metric) if metric else ())
    if json_:
        emit(to_json(_content(comparisons), indent=1))
    else:
        emit(render_comparisons(comparisons, (first, second), screen(notes=notes)).encode(), nl=False)
    return 0


def _content(comparisons: Comparisons) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "comparisons": [{**asdict(comparison), "better": comparison.better} for comparison in comparisons],
        "left_out": [asdict(left) for left in comparisons.left_out],
        "lone": [{"side": side, "what": name} for side, name in comparisons.unmatched],
    }
