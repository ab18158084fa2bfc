"""`gill-bench track`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def track(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run directory.")],
    to: Annotated[
        list[str],
        typer.Option(
            "--to",
            metavar="NAME[=WHERE]",
            help="tensorboard[=FOLDER], mlflow[=ADDRESS] or wandb[=PROJECT]; repeatable.",
        ),
    ],
    name: Annotated[str | None, typer.Option(help="What it is called there; by default as its folder.")] = None,
    pictures: Annotated[int, typer.Option(min=0, help="Pictures shown of each model and context.")] = 4,
) -> int:
    """Hand a finished run to an experiment tracker: numbers, tables, settings, some pictures.

    Seeds are steps. MLflow without an address uses MLFLOW_TRACKING_URI; W&B its own login and WANDB_MODE. Each needs
    its extra, such as gill-bench[wandb]. See docs/tracking.md.

    \b
    Examples:
      gill-bench track runs/vist --to tensorboard=logs
      gill-bench track runs/vist --to mlflow=http://localhost:5000 --to wandb=my-project
    """
    from gill_bench.cards.find import Cards
    from gill_bench.progress import say
    from gill_bench.reporting import render, tables_for
    from gill_bench.rundir.reader import RunReader
    from gill_bench.storage.files import folder_of
    from gill_bench.tracking import open_tracker
    from gill_bench.tracking.run import track

    folder = folder_of(run)
    stored = RunReader.open(folder)
    trackers = [open_tracker(target) for target in to]  # a missing package is an error before anything is written
    tables = {table.name: render([table], "markdown") for table in tables_for([folder], Cards())}
    for target, tracker in zip(to, trackers, strict=True):
        label = name or (folder if folder.name else Path(folder).resolve()).name
        say(f"{target.partition('=')[0]}: {track(stored, tracker, label, tables, pictures)}")
    return 0
