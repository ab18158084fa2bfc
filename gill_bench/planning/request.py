"""The request of a run: what one command, or one call of `gill_bench.run`, asks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gill_bench.cards.limits import check_count
from gill_bench.engines.options import LOCAL, MAX_FAILURES
from gill_bench.weights.find import MINI


@dataclass(frozen=True)
class RunRequest:
    """What one command asks for, in names.

    Attributes:
        tasks: Names of tasks or paths of task cards; ("all",) for all.
        out: The run directory.
        models: Names or paths; ("all",) for every model whose capabilities a task asks for.
        contexts: Names of contexts or of a card's lists of them; () for `paper`, and for all lists with all tasks.
        seeds: Seeds 0 .. seeds - 1; 0 for as many as each task's card says.
        limit: At most so many examples of each task that can be asked, from the start of the data; 0 for all.
        data: "mini" or a folder.
        split: Another split than the card's.
        weights: "mini" or a folder.
        metric_weights: "mini" or a folder, for the metrics' backbones; None for that of `weights`.
        settings: `CARD.KEY=VALUE` texts.
        device: A torch device, or several of one kind between commas, each with processes of its own; "auto" is the
            first CUDA device, else the CPU. With Ray, which hands them out: auto, cpu or cuda.
        batch_size: Prompts a model call, each with all its seeds; 0 for the default of what is asked.
        threads: CPU threads of each process; 0 for one with embedded weights, else for torch's own choice. The embedded
            networks are so small that more than one thread gains little, and on a busy machine loses much.
        workers: Processes per device that make and score outputs; with Ray all workers, 0 for as many as there is room.
        engine: "local", or "ray".
        address: Of a Ray cluster: "auto" or host:port; "" for that of RAY_ADDRESS, else one is started on this machine.
        max_failures: More failed examples than these stop the run.
        shard: (number, of): only the units of one of so many equal parts; the first is 1.
        card_folders: Additional folders of cards.
        locks: False for a file system without locks; then no other command may work on the run meanwhile.
    """

    tasks: tuple[str, ...]
    out: Path
    models: tuple[str, ...] = ("all",)
    contexts: tuple[str, ...] = ()
    seeds: int = 0
    limit: int = 0
    data: str = MINI
    split: str | None = None
    weights: str = MINI
    metric_weights: str | None = None
    settings: tuple[str, ...] = ()
    device: str = "auto"
    batch_size: int = 0
    threads: int = 0
    workers: int = 0
    engine: str = LOCAL
    address: str = ""
    max_failures: int = MAX_FAILURES
    shard: tuple[int, int] = (1, 1)
    card_folders: tuple[Path, ...] = ()
    locks: bool = True

    def __post_init__(self) -> None:
        for name in ("seeds", "limit", "batch_size", "threads", "workers", "max_failures"):
            check_count(name, getattr(self, name))
