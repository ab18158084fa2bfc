"""`gill-bench convert-embeddings`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def convert_embeddings(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="The authors' cc3m*.npy or .pkl, concatenated in order.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A folder that does not exist yet.")],
    dtype: Annotated[str, typer.Option(help="float32; float16 = half the size, cosines good to 0.0005.")] = "float32",
) -> int:
    """Convert the authors' retrieval embeddings to plain files; nothing that is in them is run.

    Despite its suffix the published file is a pickle, which can hold code. Written are embeddings.npy (rows
    L2-normalised), paths.txt (one URL a line) and embeddings.json (what they were made from).

    \b
    Examples:
      gill-bench convert-embeddings cc3m_embeddings_urls.npy --out cc3m
      gill-bench convert-embeddings cc3m_embeddings*.pkl --out cc3m-fromage --dtype float16
    """
    from gill_bench.embeddings.convert import convert_embeddings as convert
    from gill_bench.errors import InputError, did_you_mean
    from gill_bench.progress import say
    from gill_bench.storage.paths import refuse_url

    if dtype not in ("float32", "float16"):
        raise InputError(f"--dtype {dtype}: {did_you_mean(dtype, ['float32', 'float16'])}")
    refuse_url(out, "--out")
    count = convert(files, out, "float32" if dtype == "float32" else "float16")
    say(f"converted {count} embeddings: {out}")
    return 0
