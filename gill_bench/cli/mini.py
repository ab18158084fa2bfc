"""`gill-bench mini`: the embedded world and weights, made again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gill_bench.cards.limits import LARGEST, MOST
from gill_bench.cli.findings import findings

mini = typer.Typer(
    help="Write the embedded world's data, train the embedded weights again, see what they show.", no_args_is_help=True
)
mini.command("findings")(findings)


@mini.command("write")
def write(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that does not exist yet.")],
    seed: Annotated[int, typer.Option(min=0, max=LARGEST, help="0 gives what is embedded.")] = 0,
    train: Annotated[bool, typer.Option("--train/--no-train", help="Also what models are trained on.")] = True,
) -> int:
    """Write the world in the official formats: VIST, CC3M, COCO, VQAv2, VisDial, PartiPrompts.

    \b
    Examples:
      gill-bench mini write ./world
      gill-bench mini write ./other-world --seed 7 --no-train
    """
    from gill_bench.errors import InputError, command
    from gill_bench.mini.world import write_world
    from gill_bench.progress import say
    from gill_bench.storage.paths import refuse_url

    refuse_url(folder, "DIR")
    if folder.exists():
        raise InputError(f"{folder}: exists already; name a folder that does not")
    if not folder.parent.is_dir():
        raise InputError(f"{folder.parent}: no such folder")
    write_world(folder, seed, train=train)
    say(f"written: {folder}; use it with: {command('run', 'vist', '--data', folder, '--split', 'val')}")
    return 0


@mini.command("train")
def train(
    stages: Annotated[
        list[str] | None, typer.Argument(metavar="STAGE...", help="In this order.", show_default="all, in order")
    ] = None,
    work: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where states and results are.", show_default="in the cache")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST, help="Of everything.")] = 0,
    minutes: Annotated[float, typer.Option(min=0, help="Stop each stage after this time; 0 = never.")] = 0.0,
    threads: Annotated[int, typer.Option(min=1, max=MOST["threads"], help="CPU threads.")] = 1,
) -> int:
    """Train the embedded weights, stage by stage; the same command again resumes.

    \b
    Examples:
      gill-bench mini train
      gill-bench mini train sd-mini --minutes 20
      gill-bench mini train weights --work ./mini-work
    """
    import torch

    from gill_bench.errors import IncompleteError, InputError, did_you_mean
    from gill_bench.mini.train.loop import TrainingWork
    from gill_bench.mini.train.stages import STAGES
    from gill_bench.progress import say
    from gill_bench.storage.cache import cache_folder
    from gill_bench.storage.paths import refuse_url

    for name in stages or ():
        if name not in STAGES:
            raise InputError(f"{name!r} is no stage; {did_you_mean(name, STAGES)}")
    refuse_url(work or "", "--work")
    torch.set_num_threads(threads)
    training = TrainingWork(work or cache_folder() / f"mini-training-{seed}", seed)
    try:
        training.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--work {training.folder}: cannot be made ({error.strerror}); name another folder") from error
    for name in stages or STAGES:
        if not STAGES[name](training, 60 * minutes or float("inf")):
            raise IncompleteError(f"{name}: not finished after {minutes:g} minutes; the same command again goes on")
        say(f"{name}: finished, {training.folder / name}")
    return 0
