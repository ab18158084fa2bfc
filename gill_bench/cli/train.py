"""`gill-bench train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gill_bench.cards.limits import MOST
from gill_bench.cli.streams import emit


def train(
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Holds cc3m_train.tsv, cc3m_val.tsv and cc3m/{training,validation}/.")
    ],
    llm: Annotated[str, typer.Option(metavar="DIR|ID", help="OPT: folder or hub id.")],
    visual_encoder: Annotated[str, typer.Option(metavar="DIR|ID", help="CLIP: folder or hub id.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Checkpoints, state and log; the same again resumes.")],
    text_encoder: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Stable Diffusion folder: write missing targets first.")
    ] = None,
    mapper: Annotated[str, typer.Option(help="gill_mapper, linear, mlp, encoder.")] = "gill_mapper",
    num_tokens: Annotated[int, typer.Option(help="[IMG] tokens.")] = 8,
    visual_tokens: Annotated[int, typer.Option(help="Input embeddings per picture.")] = 4,
    ret_emb_dim: Annotated[int, typer.Option(help="Width of the retrieval space.")] = 256,
    mapper_width: Annotated[int, typer.Option(help="Inner width of the generation head.")] = 512,
    mapper_layers: Annotated[int, typer.Option(help="Layers of its transformer.")] = 4,
    max_len: Annotated[int, typer.Option(help="Tokens of a caption, with BOS and [IMG] tokens.")] = 32,
    objective: Annotated[str, typer.Option(help="authors = as their code; paper = as its equations.")] = "authors",
    generation_only: Annotated[bool, typer.Option("--generation-only", help="No retrieval pass.")] = False,
    epochs: Annotated[int, typer.Option(help="Validated after each.")] = 10,
    steps_per_epoch: Annotated[int, typer.Option(help="Optimizer steps in an epoch.")] = 2000,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps in all.", show_default="all epochs")] = None,
    batch_size: Annotated[int, typer.Option(help="Examples a step, over all processes.")] = 200,
    lr: Annotated[float, typer.Option(help="Highest learning rate.")] = 1e-3,
    warmup_steps: Annotated[int, typer.Option(help="Steps of the warm-up.")] = 2000,
    decay_epochs: Annotated[int, typer.Option(help="Epochs past the warm-up between decays of the rate.")] = 5,
    precision: Annotated[str, typer.Option(help="auto, bf16 (as the authors), fp32, mixed.")] = "auto",
    device: Annotated[str, typer.Option(help="auto = the accelerator if there is one; cpu.")] = "auto",
    seed: Annotated[int, typer.Option(help="Of values, order and coins.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes a rank that read pictures.")] = 4,
    cache: Annotated[bool, typer.Option("--cache", help="Keep CLIP features and targets in memory.")] = False,
    stories: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSONL of interleaved prompts: a departure from the paper.")
    ] = None,
    story_share: Annotated[float, typer.Option(help="Their share of each batch.")] = 0.0,
    missing: Annotated[
        str, typer.Option(help="error, or skip = leave out and count examples without files.")
    ] = "error",
    validation_limit: Annotated[
        int | None, typer.Option(help="Validation pairs, from the start.", show_default="all")
    ] = None,
    save_every: Annotated[int, typer.Option(help="Steps between saves of the state.")] = 500,
    log_every: Annotated[int, typer.Option(help="Steps between lines of the log.")] = 50,
    threads: Annotated[
        int | None, typer.Option(min=1, max=MOST["threads"], help="CPU threads.", show_default="torch's own choice")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train GILL's heads and [IMG] embeddings; the same command again resumes.

    \b
    Examples:
      gill-bench train --data cc3m --llm facebook/opt-6.7b \\
        --visual-encoder openai/clip-vit-large-patch14 --out trained
      accelerate launch --num_processes 2 -m gill_bench train --data cc3m ...
      gill-bench train --data cc3m --text-encoder weights/sd-mini --llm weights/opt-mini \\
        --visual-encoder weights/clip-mini --out trained --cache \\
        --mapper-width 64 --ret-emb-dim 32 --batch-size 24 \\
        --steps 3000 --steps-per-epoch 500 --warmup-steps 100
    """
    settings: dict[str, Any] = dict(locals())
    for name in ("generation_only", "visual_tokens", "threads", "json_"):
        del settings[name]
    settings["n_visual_tokens"] = visual_tokens
    if generation_only:
        settings["ret_loss_scale"] = 0.0
    from pydantic import ValidationError

    from gill_bench.cards.find import explain
    from gill_bench.errors import InputError
    from gill_bench.progress import say
    from gill_bench.storage.paths import refuse_url
    from gill_bench.training.config import TrainConfig

    refuse_url(data, "--data")
    refuse_url(out, "--out")
    try:
        config = TrainConfig.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ") if not first["loc"] else explain(error, TrainConfig)
        raise InputError(message) from error
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    from gill_bench.training import train as run

    result = run(config)
    if json_:
        import json

        fields = {"steps": result.steps, "skipped": result.skipped, "history": list(result.history)}
        folders = {"last": str(result.last), "best": str(result.best) if result.best else None}
        emit(json.dumps({**folders, **fields}, indent=2))
    say(
        f"trained {result.steps} steps: {result.last}" + (f"; best on validation: {result.best}" if result.best else "")
    )
