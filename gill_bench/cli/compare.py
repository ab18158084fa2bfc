"""`gill-bench compare`."""

from __future__ import annotations

from typing import Annotated

import typer


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A run, or one of its models as RUN:MODEL.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Likewise; differences are B minus A.")],
    metric: Annotated[
        list[str] | None, typer.Option("--metric", help="Only this metric; repeatable.", show_default="all")
    ] = None,
    examples: Annotated[int, typer.Option(min=0, help="How many of the examples that changed most are shown.")] = 3,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Is B better than A? Paired over the examples that both have, clusters kept together, seeds averaged.

    95 % intervals by cluster bootstrap, p by approximate randomisation, adjusted over all lines (Holm), McNemar where
    answers are right or wrong.

    \b
    Examples:
      gill-bench compare runs/before runs/after
      gill-bench compare runs/vist:stable-diffusion runs/vist:gill --metric clip-similarity
    """
    from dataclasses import asdict

    from gill_bench.errors import InputError, did_you_mean
    from gill_bench.files import to_json
    from gill_bench.runs.compare import Side, compare

    found = compare(Side.parse(first), Side.parse(second), shown=examples)
    if metric:
        known = {one.metric.partition("[")[0] for one in found} | {one.metric for one in found}
        for name in metric:
            if name not in known:
                raise InputError(f"--metric {name}: not compared; {did_you_mean(name, known)}")
        found = [one for one in found if one.metric in metric or one.metric.partition("[")[0] in metric]
    if json_:
        typer.echo(to_json([{**asdict(one), "better": one.better} for one in found], indent=1))
        return 0
    for one in found:
        verdict = {True: "better", False: "WORSE", None: "no difference that stands out"}[one.better]
        models = one.models[0] if one.models[0] == one.models[1] else f"{one.models[1]} over {one.models[0]}"
        d = one.difference
        mcnemar = f", McNemar p {one.p_mcnemar:.3g}" if one.p_mcnemar is not None else ""
        typer.echo(
            f"{one.task} {one.context} {one.metric}, {models}: {one.means[0]:.4f} -> {one.means[1]:.4f},"
            f" {d.mean:+.4f} [{d.low:+.4f}, {d.high:+.4f}], p {one.p:.3g} (Holm {one.p_holm:.3g}){mcnemar},"
            f" {d.n} examples in {d.clusters} clusters: {verdict}"
        )
        for change in one.changes:
            typer.echo(f"    {change.example}: {change.first:.4f} -> {change.second:.4f}")
        for name, lone in (("A", one.only_first), ("B", one.only_second)):
            if lone:
                typer.echo(
                    f"    only in {name}: {len(lone)} examples ({', '.join(lone[:5])}{', ...' * (len(lone) > 5)})"
                )
    return 0
