"""`gill-bench mini findings`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gill_bench.cli.streams import emit

# (better, than, metric): what the paper finds on real data, in terms of the mini world's run.
_EXPECTED = (
    (("gill", "5-captions"), ("gill", "1-caption"), "clip-similarity"),
    (("gill", "5-captions-4-images"), ("gill", "5-captions"), "clip-similarity"),
    (("gill", "5-captions-4-images"), ("gill", "1-caption"), "lpips"),
    (("gill", "5-captions"), ("stable-diffusion", "5-captions"), "clip-similarity"),
    (("gill", "5-captions-4-images"), ("gill-linear", "5-captions-4-images"), "clip-similarity"),
    (("gill", "5-captions-4-images"), ("gill-mlp", "5-captions-4-images"), "clip-similarity"),
)


def findings(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run of vist on the mini world.")],
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Does the run show the paper's findings? Paired differences over stories, 95 % intervals, as measured.

    Seeds are averaged within a story; stories of one photo sequence are resampled together (cluster bootstrap).

    \b
    Examples:
      gill-bench run vist --out runs/demo
      gill-bench mini findings runs/demo
    """
    from gill_bench.analysis.contrasts import contrast
    from gill_bench.errors import InputError
    from gill_bench.evaluate import cells_of
    from gill_bench.storage.json import to_json

    cells = {cell.name[1:]: cell for cell in cells_of(run)}
    found = [contrast(run, cells, *one) for one in _EXPECTED if one[0] in cells and one[1] in cells]
    if not found:
        raise InputError(f"{run}: has none of the models and contexts that the findings are about")
    if json_:
        rows = [
            {
                "better": "/".join(one.better),
                "than": "/".join(one.than),
                "metric": one.metric,
                "gain": one.gain.mean,
                "low": one.gain.low,
                "high": one.gain.high,
                "stories": one.gain.n,
                "clusters": one.gain.clusters,
                "holds": one.gain.above_zero,
            }
            for one in found
        ]
        emit(to_json(rows, indent=1))
        return 0
    for one in found:
        gain = one.gain
        verdict = "holds" if gain.above_zero else "does not show"
        emit(
            f"{'/'.join(one.better)} over {'/'.join(one.than)}, {one.metric}: {gain.mean:+.3f}"
            f" [{gain.low:+.3f}, {gain.high:+.3f}], {gain.n} stories in {gain.clusters} sequences: {verdict}"
        )
    return 0
