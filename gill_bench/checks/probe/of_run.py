"""The probes of a run: one for each cell, kept in the run directory."""

from __future__ import annotations

from gill_bench.checks.probe.probing import CALLS, cannot_be_probed, probe
from gill_bench.errors import InputError
from gill_bench.planning.cells import Cell
from gill_bench.planning.plan import Plan
from gill_bench.progress import say
from gill_bench.rundir.load import read_probes
from gill_bench.rundir.writer import write_probes


def probe_run(plan: Plan) -> None:
    """Probe each cell of a plan whose probe is not in the run directory yet; a model is loaded once.

    Cells that cannot be probed (control contexts, times, too few examples) are left out, with a sentence.
    """
    run = plan.request.out
    probes = {item.cell_key: item for item in read_probes(run)}
    waiting: dict[str, list[Cell]] = {}
    for cell in (planned.cell for planned in plan.cells):
        stored = probes.get(cell.key)
        if not cannot_be_probed(cell.task.card, cell.context) and (
            stored is None or stored.recipe != cell.recipe_digest
        ):
            waiting.setdefault(cell.model_digest, []).append(cell)
    cells = sum(map(len, waiting.values()))
    if cells:
        say(f"probe: at most {CALLS * cells} calls of the models, {CALLS} for each of {cells} cells")
    for digest, of_model in waiting.items():
        loaded = plan.models[digest].load(plan.device)
        for cell in of_model:
            try:
                result = probe(loaded, cell, device=plan.device)
            except InputError as error:
                say(f"{cell.key}: not probed: {error}")
                continue
            say(f"{cell.key}: {result.in_words()}")
            probes[cell.key] = result
            write_probes(run, probes.values())
