"""The probe: which captions, pictures, rounds and questions of a context does a model read?

Each part of a prompt is replaced by that of another cluster, dropped, blanked and exchanged with its neighbour, under
fixed noise, and the outputs are compared with those of the untouched prompt. `choose` says in which task and contexts,
and `probing.probe` does the rest: `material` has examples and changed prompts, `ask` counts calls, `exact` and `noisy`
are the designs for models that are repeatable and that are not, `evidence` keeps the trials, and `verdict` puts them
into words. docs/context.md explains it.
"""

from __future__ import annotations

from gill_bench.checks.probe.choose import choose_task, longest, probe_cells, usable_contexts
from gill_bench.checks.probe.of_run import probe_run
from gill_bench.checks.probe.probing import CALLS, cannot_be_probed, probe

__all__ = [
    "CALLS",
    "cannot_be_probed",
    "choose_task",
    "longest",
    "probe",
    "probe_cells",
    "probe_run",
    "usable_contexts",
]
