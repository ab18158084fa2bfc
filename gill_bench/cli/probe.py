"""`gill-bench probe`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gill_bench.cards.limits import MOST
from gill_bench.cli.options import CardFolders, Data, Split, WeightsFolder, listed
from gill_bench.cli.screen import screen
from gill_bench.cli.streams import emit


def probe(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A model by name, a card's path, or a class: ./my_model.py:MyModel."),
    ],
    task: Annotated[
        str | None,
        typer.Option(metavar="TASK", help="A task by name or card path.", show_default="vist, or one the model can do"),
    ] = None,
    contexts: Annotated[
        list[str] | None,
        typer.Option(metavar="A,B", help="Contexts, or lists of them. Repeatable.", show_default="the longest"),
    ] = None,
    calls: Annotated[
        int, typer.Option(min=1, max=MOST["limit"], help="At most so many calls of the model for each context.")
    ] = 60,
    seed: Annotated[int, typer.Option(min=0, max=10**6, help="Another seed: other noise, other examples.")] = 0,
    data: Data = "mini",
    split: Split = None,
    weights: WeightsFolder = "mini",
    metric_weights: Annotated[
        str | None,
        typer.Option(metavar="DIR|mini", help="The same for LPIPS and similarity.", show_default="as --weights"),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="CARD.KEY=VALUE", help="A setting of the task or the model; repeatable."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps; auto = CUDA if there is one.")] = "auto",
    cards: CardFolders = None,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE.svg|.png", help="Draw the effects of one context into a file.")
    ] = None,
    json_: Annotated[
        bool, typer.Option("--json", help="Print JSON: an object, or a list of them with several contexts.")
    ] = False,
) -> int:
    """Find out which captions, pictures, rounds and questions of a context a model reads.

    \b
    Examples:
      gill-bench probe gill
      gill-bench probe ./my_model.py:MyModel --contexts 5-captions,5-captions-4-images
      gill-bench probe stable-diffusion --task visdial --data visdial --weights weights --json
      gill-bench probe gill --task visdial-answers --figure history.svg
    """
    from gill_bench.cards.find import Cards
    from gill_bench.checks.probe import choose_task, longest, probe_cells, usable_contexts
    from gill_bench.checks.probe import probe as probe_context
    from gill_bench.devices import choose_device
    from gill_bench.errors import InputError
    from gill_bench.planning.selection import model_card, parse_settings
    from gill_bench.progress import say
    from gill_bench.reporting.probe_figure import render_probe_figure
    from gill_bench.reporting.probe_table import render_probe
    from gill_bench.rundir.probes import probe_json
    from gill_bench.storage.files import write_atomic
    from gill_bench.storage.json import to_json
    from gill_bench.storage.paths import refuse_url
    from gill_bench.weights.find import MINI

    for option, value in (("--data", data), ("--weights", weights), ("--metric-weights", metric_weights)):
        refuse_url(value or "", option)
    if figure is not None and figure.suffix not in (".svg", ".png"):
        raise InputError(f"--figure {figure}: its ending names no format; end it in .svg or .png")
    all_cards = Cards(cards or ())
    card = model_card(all_cards, model)
    task_card = choose_task(all_cards, card, task)
    usable, others = usable_contexts(task_card, card, listed(contexts) if contexts else ["paper"])
    if not usable:
        raise InputError("; ".join(dict.fromkeys(f"{context.name}: {reason}" for context, reason in others)))
    chosen = usable if contexts else [longest(usable)]
    if figure is not None and len(chosen) > 1:
        raise InputError(f"--figure {figure}: a file holds one figure, these are {len(chosen)} contexts; name one")
    say(
        f"probe of {card.name} in {task_card.name}: at most {calls} calls of the model"
        + (f" for each of {len(chosen)} contexts" if len(chosen) > 1 else f", in {chosen[0].name}")
        + "; a call paints one prompt, up to 8 times, or asks for up to 8 other outputs"
    )
    torch_device = choose_device(device, 1 if weights == MINI else 0)
    resolved, cells = probe_cells(
        task_card,
        card,
        chosen,
        data=data,
        split=split,
        weights=weights,
        metric_weights=metric_weights or weights,
        settings=parse_settings(settings or (), [card.name, task_card.name]),
        device=torch_device,
    )
    if not json_:
        for note in dict.fromkeys(note for cell in cells for note in cell.notes):
            say(note)
    loaded = resolved.load(torch_device)
    results = []
    for cell in cells:
        result = probe_context(loaded, cell, calls=calls, seed=seed, device=torch_device)
        results.append(result)
        if not json_:
            emit(render_probe(result, *screen()[:2]))
    if json_:
        content = [probe_json(result) for result in results]
        emit(to_json(content if len(content) > 1 else content[0], indent=1))
    if figure is not None:
        write_atomic(figure, render_probe_figure(results[0], figure.suffix[1:]))
        say(f"figure: {figure}")
    return 0
