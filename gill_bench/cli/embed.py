"""`gill-bench embed`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gill_bench.cards.limits import MOST
from gill_bench.cli.options import CardFolders, ModelSettings, WeightsFolder


def embed(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A model by name, a card's path, or a class: ./my_model.py:MyModel."),
    ],
    images: Annotated[Path, typer.Option(metavar="FOLDER|TSV", help="A folder with pictures, or a list like CC3M's.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A folder that does not exist yet, or to go on with.")],
    weights: WeightsFolder = "mini",
    settings: ModelSettings = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps; auto = CUDA if there is one.")] = "auto",
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, max=MOST["batch_size"], help="Pictures a model call.", show_default="256; 16 on a CPU"),
    ] = None,
    cards: CardFolders = None,
) -> int:
    """Embed pictures for retrieval with a model, such as a checkpoint of your own; run it again to resume.

    Written is what convert-embeddings writes: embeddings.npy (rows L2-normalised), paths.txt (paths from the folder of
    pictures) and embeddings.json. Pictures that cannot be read are left out, and left-out.jsonl names them.

    \b
    Examples:
      gill-bench embed gill --weights weights --images photos --out photos-gill
      gill-bench embed ./my_model.py:MyModel --images photos --out photos-mine --device cuda
      gill-bench embed clip --weights weights --images data/datasets/cc3m_val.tsv --out cc3m-clip
    """
    from gill_bench.cards.find import Cards
    from gill_bench.datasets.listed_pictures import list_pictures
    from gill_bench.devices import choose_device
    from gill_bench.exchange.embed import LEFT_OUT
    from gill_bench.exchange.embed import embed as embed_pictures
    from gill_bench.planning.resolve import resolve_model
    from gill_bench.planning.selection import model_card, parse_settings
    from gill_bench.progress import say
    from gill_bench.storage.paths import refuse_url
    from gill_bench.weights.find import MINI

    for option, value in (("--weights", weights), ("--images", images), ("--out", out)):
        refuse_url(value, option)
    card = model_card(Cards(cards or ()), model)
    changes = parse_settings(settings or (), [card.name]).get(card.name, {})
    root, pictures = list_pictures(images)
    resolved = resolve_model(card, weights=weights, settings=changes)
    for note in resolved.notes():
        say(note)
    torch_device = choose_device(device, 1 if weights == MINI else 0)
    result = embed_pictures(resolved, pictures, out, device=torch_device, batch_size=batch_size or 0)
    if result.left_out:
        named = "; ".join(f"{path}: {reason}" for path, reason in result.left_out[:3])
        say(f"left out {len(result.left_out)} of {len(pictures)} pictures, listed in {out / LEFT_OUT}: {named}")
    if result.was_finished:
        say(f"{out}: has the embeddings of these {result.embedded} pictures already; nothing to do")
    else:
        say(f"embedded {result.embedded} pictures: {out}; their paths are from {root}")
    return 0
