"""Options that more than one command has."""

from __future__ import annotations

from typing import Annotated

import typer

Device = Annotated[
    str,
    typer.Option(
        "--device",
        "--devices",
        metavar="A,B",
        help="cpu, cuda, mps, or several: cuda:0,cuda:1; auto = CUDA if there is one.",
    ),
]
Engine = Annotated[str, typer.Option(metavar="local|ray", help="Where it runs: on this machine, or on a Ray cluster.")]
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
