"""The samplers that a model card can name, and their classes in diffusers, which is not imported here."""

from __future__ import annotations

from typing import Literal

SchedulerName = Literal["default", "ddim", "ddpm", "pndm", "euler", "dpm-solver"]
"""Name of a sampler; `default` is the scheduler that is shipped with the weights. DDIM runs with eta 0."""

SCHEDULERS: dict[SchedulerName, str] = {
    "ddim": "DDIMScheduler",
    "ddpm": "DDPMScheduler",
    "pndm": "PNDMScheduler",
    "euler": "EulerDiscreteScheduler",
    "dpm-solver": "DPMSolverMultistepScheduler",
}
"""Class in diffusers by name of the sampler; `default` has none."""
