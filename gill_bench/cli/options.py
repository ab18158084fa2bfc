"""Options that more than one command has."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from gill_bench.engines.options import ENGINES

Device = Annotated[
    list[str] | None,
    typer.Option(
        "--device",
        "--devices",
        metavar="A,B",
        help="cpu, cuda, mps, or several: cuda:0,cuda:1; auto = CUDA if there is one. Repeatable.",
        show_default="auto",
    ),
]
DATA_VARIABLE, WEIGHTS_VARIABLE, OUT_VARIABLE = "GILL_BENCH_DATA", "GILL_BENCH_WEIGHTS", "GILL_BENCH_OUT"


def say_variable(ctx: typer.Context, param: typer.CallbackParam, value: Any) -> Any:
    """Say that an option has its value from an environment variable, and return the value."""
    source = ctx.get_parameter_source(param.name or "")
    if source is not None and source.name == "ENVIRONMENT":
        from gill_bench.progress import say

        say(f"{param.opts[0]} {value}: from {param.envvar}")
    return value


Data = Annotated[
    str,
    typer.Option(
        metavar="DIR|mini",
        help="Folder of the official files, or the mini world.",
        envvar=DATA_VARIABLE,
        callback=say_variable,
    ),
]
Split = Annotated[str | None, typer.Option(help="Another split than the task's.")]
WeightsFolder = Annotated[
    str,
    typer.Option(
        metavar="DIR|mini",
        help="Folder that holds the weights' folders, or the embedded ones.",
        envvar=WEIGHTS_VARIABLE,
        callback=say_variable,
    ),
]
ModelSettings = Annotated[
    list[str] | None, typer.Option("--set", metavar="MODEL.KEY=VALUE", help="A setting of the model; repeatable.")
]
CardFolders = Annotated[
    list[Path] | None, typer.Option(metavar="DIR", help="A folder with cards of your own; repeatable.")
]
Engine = Annotated[
    str, typer.Option(metavar="|".join(ENGINES), help="Where it runs: on this machine, or on a Ray cluster.")
]
NoLocks = Annotated[
    bool,
    typer.Option("--no-locks", help="For a file system without locks; no other command may work on the run meanwhile."),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="auto|HOST:PORT", help="The Ray cluster.", show_default="RAY_ADDRESS, else one on this machine"
    ),
]


Names = Annotated[
    list[str] | None,
    typer.Option("--as", metavar="NAME=RUN:MODEL", help="A model of a run under a name of its own; repeatable."),
]


def device_names(texts: Iterable[str] | None) -> str:
    """The devices of `--device`, separated by commas; a device that is named twice gets two workers.

    >>> device_names(["cuda:0, cuda:1", "cuda:1"]), device_names(None)
    ('cuda:0,cuda:1,cuda:1', 'auto')
    """
    return ",".join(_names(texts)) if texts else "auto"


def listed(texts: Iterable[str]) -> tuple[str, ...]:
    """The names that were given to an option, separated by commas or in several options; each name once.

    >>> listed(["a, b", "c", "b"])
    ('a', 'b', 'c')

    Raises:
        InputError: No name was given.
    """
    return tuple(dict.fromkeys(_names(texts)))


def _names(texts: Iterable[str]) -> list[str]:
    from gill_bench.errors import InputError

    lists = list(texts)
    names = [name.strip() for text in lists for name in text.split(",") if name.strip()]
    if not names:
        raise InputError(f"{' '.join(lists)!r}: expected names separated by commas")
    return names
