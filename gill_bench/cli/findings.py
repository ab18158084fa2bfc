"""`gill-bench mini findings`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gill_bench.cli.streams import emit

# (better, than, metric): the paper's findings on real data, in models and contexts of a run on the mini world.
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
    """Check whether a run shows the paper's findings, by paired differences over stories with 95 % intervals.

    Seeds are averaged within a story; stories of one photo sequence are resampled together (cluster bootstrap).

    \b
    Examples:
      gill-bench run vist --out runs/demo
      gill-bench mini findings runs/demo
    """
    from gill_bench.analysis.compare import gain_in_run
    from gill_bench.errors import InputError
    from gill_bench.rundir.reader import RunReader
    from gill_bench.storage.json import to_json

    reader = RunReader.open(run)
    keys = {key[1:]: key for key, _ in reader.rows}
    contrasts = [
        (better, than, metric, gain_in_run(reader, keys[better], keys[than], metric))
        for better, than, metric in _EXPECTED
        if better in keys and than in keys
    ]
    if not contrasts:
        raise InputError(f"{run}: has none of the models and contexts that the findings are about")
    if json_:
        records = [
            {
                "better": "/".join(better),
                "than": "/".join(than),
                "metric": metric,
                "gain": gain.mean,
                "low": gain.low,
                "high": gain.high,
                "stories": gain.n,
                "clusters": gain.clusters,
                "holds": gain.above_zero,
            }
            for better, than, metric, gain in contrasts
        ]
        emit(to_json(records, indent=1))
        return 0
    for better, than, metric, gain in contrasts:
        verdict = "holds" if gain.above_zero else "does not show"
        emit(
            f"{'/'.join(better)} over {'/'.join(than)}, {metric}: {gain.mean:+.3f}"
            f" [{gain.low:+.3f}, {gain.high:+.3f}], {gain.n} stories in {gain.clusters} sequences: {verdict}"
        )
    return 0
