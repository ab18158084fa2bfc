"""`gill-bench compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gill_bench.cli.options import listed
from gill_bench.cli.streams import emit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gill_bench.analysis.compare import Comparison, Comparisons


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A run, or one of its models as RUN:MODEL.")],
    second: Annotated[str, typer.Argument(metavar="B", help="A run, or one of its models; differences are B minus A.")],
    metric: Annotated[
        list[str] | None, typer.Option("--metric", help="Only this metric; repeatable.", show_default="all")
    ] = None,
    examples: Annotated[int, typer.Option(min=0, help="How many of the examples that changed most are shown.")] = 3,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON: everything, unmatched examples by name.")] = False,
) -> int:
    """Is B better than A? Paired over the examples and seeds that both have, clusters kept together.

    95 % intervals by cluster bootstrap, widened by what other seeds could change; d_z, the mean difference by its
    standard deviation; p by approximate randomisation, adjusted over all lines (Holm); McNemar where answers are
    right or wrong. See docs/comparing.md.

    \b
    Examples:
      gill-bench compare runs/before runs/after
      gill-bench compare runs/vist:stable-diffusion runs/vist:gill --metric clip-similarity
    """
    from gill_bench.analysis.compare import Side, compare
    from gill_bench.storage.json import to_json

    comparisons = compare(
        Side.parse(first), Side.parse(second), shown=examples, metrics=listed(metric) if metric else ()
    )
    emit(to_json(_content(comparisons), indent=1) if json_ else "\n".join(_lines(comparisons)))
    return 0


def _content(comparisons: Comparisons) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "comparisons": [{**asdict(comparison), "better": comparison.better} for comparison in comparisons],
        "left_out": [asdict(left) for left in comparisons.left_out],
        "lone": [{"side": side, "what": name} for side, name in comparisons.unmatched],
    }


def _lines(comparisons: Comparisons) -> Iterator[str]:
    for comparison in comparisons:
        yield from _comparison(comparison)
    for left in comparisons.left_out:
        values = " -> ".join("-" if mean is None else f"{mean:.4f}" for mean in left.means)
        yield f"not compared: {left.task} {left.context} {left.metric}, {_models(left.models)}: {values}: {left.reason}"
    for side in "AB":
        unmatched = [name for owner, name in comparisons.unmatched if owner == side]
        if unmatched:
            yield f"only in {side}: {_some(unmatched)}"


def _comparison(each: Comparison) -> Iterator[str]:
    d = each.difference
    effect = f", d_z {each.effect_size:+.2f}" if each.effect_size is not None else ""
    mcnemar = f", McNemar p {each.p_mcnemar:.3g}" if each.p_mcnemar is not None else ""
    verdict = {True: "better", False: "WORSE", None: "no difference that stands out"}[each.better]
    if each.better is not None and each.p_holm > 0.05:
        verdict += ", though not among so many comparisons"
    yield (
        f"{each.task} {each.context} {each.metric}, {_models(each.models)}: {each.means[0]:.4f} -> {each.means[1]:.4f},"
        f" {d.mean:+.4f} [{d.low:+.4f}, {d.high:+.4f}]{effect}, p {each.p:.3g} (Holm {each.p_holm:.3g}){mcnemar}:"
        f" {verdict}"
    )
    seeds = f", seeds {', '.join(map(str, each.seeds))}" if len(each.seeds) > 1 else ""
    yield (
        f"    {d.n} examples in {d.clusters} clusters{seeds}: B better in {each.wins}, worse in {each.losses}, equal in"
        f" {each.ties}"
    )
    for change in each.changes:
        yield f"    {change.example}: {change.first:.4f} -> {change.second:.4f}; {change.files[0]} {change.files[1]}"
    for label, names in (
        ("only in A", each.only_first),
        ("only in B", each.only_second),
        ("not with every seed", each.incomplete),
    ):
        if names:
            yield f"    {label}: {len(names)} examples ({_some(names)}), not compared"
    for note in each.notes:
        yield f"    note: {note}"


def _models(models: tuple[str, str]) -> str:
    return models[0] if models[0] == models[1] else f"{models[1]} over {models[0]}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f", ... ({len(names)}; all with --json)" if len(names) > 5 else "")
