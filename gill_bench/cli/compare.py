"""`gill-bench compare`."""

from __future__ import annotations

from pathlib import Path
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
    human: Annotated[
        bool, typer.Option("--human", help="By the votes of people (gill-bench annotate) instead of metrics.")
    ] = False,
    votes: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the votes are.", show_default="annotations/ in the run of A"),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON: everything, unmatched examples by name.")] = False,
) -> int:
    """Is B better than A? Paired over the examples and seeds that both have, clusters kept together.

    A row for each context and metric: A, B, the difference, its 95 % interval by cluster bootstrap, widened by what
    other seeds could change, p by approximate randomisation, and a verdict, which says where p does not hold among all
    rows (Holm). With --notes also d_z, the mean difference by its standard deviation, and McNemar where answers are
    right or wrong. See docs/comparing.md.

    With --human the value of an example is the share of its annotators who prefer the model's picture, and "the same"
    counts half for each; interval and p are the same, over clusters of examples. See docs/annotation.md.

    \b
    Examples:
      gill-bench compare runs/before runs/after
      gill-bench compare runs/vist:stable-diffusion runs/vist:gill --metric clip-similarity --examples 5
      gill-bench compare runs/vist:stable-diffusion runs/vist:gill --human
      gill-bench compare before after --as before=runs/first:gill --as after=runs/second:gill
    """
    from gill_bench.analysis.annotation.preference import compare_by_people
    from gill_bench.analysis.compare import compare
    from gill_bench.analysis.named import given_names, side_of
    from gill_bench.cli.screen import screen
    from gill_bench.errors import InputError
    from gill_bench.reporting.comparison import render_comparisons
    from gill_bench.storage.json import to_json

    if human:
        for option, value in (("--metric", metric), ("--examples", examples), ("--as", names)):
            if value:
                raise InputError(f"--human and {option}: votes have no such choice; leave one of the two out")
    elif votes is not None:
        raise InputError("--votes: goes with --human")
    shown = (3 if json_ else 0) if examples is None else examples
    if human:
        comparisons = compare_by_people(first, second, votes)
    else:
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
