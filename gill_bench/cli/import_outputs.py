"""`gill-bench import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gill_bench.cards.limits import MOST
from gill_bench.cli.options import CardFolders, Data, Device, NoLocks, Split, device_names


def import_outputs(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder with the pictures or texts.")],
    name: Annotated[str, typer.Option("--as", metavar="MODEL", help="The name of the model in tables.")],
    task: Annotated[str, typer.Option(metavar="TASK", help="A task by name or by its card's path.")],
    context: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The context in which they were made.", show_default="the task's, if it has one"
        ),
    ] = None,
    data: Data = "mini",
    split: Split = None,
    limit: Annotated[
        int | None, typer.Option(min=1, max=MOST["limit"], help="Only the first so many examples of the data.")
    ] = None,
    metric_weights: Annotated[
        str, typer.Option(metavar="DIR|mini", help="Folder of the metrics' backbones, or the embedded ones.")
    ] = "mini",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR|URL", help="Run directory.", show_default="runs/<task>")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Import what is there; what is missing counts as not made.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="TASK.KEY=VALUE", help="A setting of the task's card; repeatable."),
    ] = None,
    cards: CardFolders = None,
    device: Device = None,
    no_locks: NoLocks = False,
) -> int:
    """Take pictures or texts that were generated elsewhere into a run, and score them.

    FOLDER has files named <seed>/<id>.png, <id>_<seed>.png or <id>.png (texts: .txt), by the ids of the task's
    examples, or a manifest.jsonl with a line such as {"id": "17", "seed": 0, "file": "a.png"} or
    {"id": "17", "text": "two dogs"} for each. Signatures say that the outputs were imported.

    \b
    Examples:
      gill-bench import pictures --as my-model --task vist --context 5-captions --data ./data --out runs/vist
      gill-bench import answers --as my-llm --task vqav2 --data ./data
      gill-bench import pictures --as my-model --task ./walks.toml --context full --data ./data --partial
    """
    from gill_bench.errors import IncompleteError, command
    from gill_bench.exchange.imports import import_outputs as import_folder
    from gill_bench.planning.request import RunRequest
    from gill_bench.progress import say
    from gill_bench.storage.paths import refuse_url

    refuse_url(folder, "FOLDER")
    request = RunRequest.of(
        [task],
        out,
        contexts=(context,) if context else (),
        limit=limit or 0,
        data=data,
        split=split,
        weights=metric_weights,
        settings=settings or (),
        card_folders=cards or (),
        device=device_names(device),
        locks=not no_locks,
    )
    outcome = import_folder(request, folder, name, partial=partial)
    say(f"results: {request.out / 'results.json'}; tables: {command('report', request.out)}")
    if not outcome.complete:
        raise IncompleteError(f"{request.out}: " + "\n".join(outcome.lacking("an import of the whole folder")))
    return 0
