from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch

from gill_bench.models.glide.schedule import (
    Step,
    ddim_step,
    ddpm_step,
    fast27,
    linear,
    spaced,
    squared_cosine,
    steps,
)
from tests.models.glide.reference import cosine_betas, linear_betas

# Its lazy modules have types that a checker cannot follow.
diffusers: Any = import_module("diffusers")

# protocol 5.4
FAST27 = "0 22 44 66 88 111 133 155 177 199 200 222 244 266 288 311 333 355 377 399 400 500 599 600 799 800 997"


def test_one_hundred_steps_are_evenly_spaced() -> None:
    kept = spaced(100)
    assert kept[:3] == [0, 10, 20]
    assert kept[-3:] == [979, 989, 999]
    assert kept == [round(number * 999 / 99) for number in range(100)]


def test_the_steps_of_fast27_are_the_published_ones() -> None:
    assert fast27() == [int(word) for word in FAST27.split()]


def test_as_many_steps_as_were_trained_are_all_of_them() -> None:
    assert spaced(1000) == list(range(1000))
    assert spaced(2) == [0, 999]


def test_signals_are_products_of_the_noise_schedule() -> None:
    np.testing.assert_allclose(squared_cosine(), np.cumprod(1 - cosine_betas()), rtol=1e-12)
    np.testing.assert_allclose(linear(), np.cumprod(1 - linear_betas()), rtol=1e-12)


def test_steps_lead_from_noise_to_the_picture() -> None:
    signals = linear()
    first, second, last = steps(signals, [0, 500, 999])
    assert first == Step(999, signals[999], signals[500])
    assert second == Step(500, signals[500], signals[0])
    assert last == Step(0, signals[0], 1.0)
    assert last.beta == pytest.approx(1e-4)


@pytest.mark.parametrize("kept", [spaced(100), fast27()], ids=["100", "fast27"])
def test_ddpm_is_that_of_diffusers(kept: list[int]) -> None:
    scheduler = diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2", variance_type="learned_range")
    scheduler.set_timesteps(timesteps=kept[::-1])
    for step in steps(squared_cosine(), kept):
        generator = torch.Generator().manual_seed(step.timestep)
        x = torch.randn(2, 3, 4, 4, generator=generator)
        output = torch.randn(2, 6, 4, 4, generator=generator)
        state = generator.get_state()
        expected = scheduler.step(output, step.timestep, x, generator=generator).prev_sample
        generator.set_state(state)
        noise = torch.randn(x.shape, generator=generator) if step.timestep else None
        assert (ddpm_step(step, x, output, noise) - expected).abs().max() < 1e-4  # its tables are float32


def test_ddim_is_that_of_diffusers() -> None:
    """diffusers' takes evenly spaced steps only, so it is given a process that has no others."""
    kept = fast27()
    signals = np.array(linear())[kept]
    betas = 1 - signals / np.concatenate([[1.0], signals[:-1]])
    scheduler = diffusers.DDIMScheduler(num_train_timesteps=27, trained_betas=betas, set_alpha_to_one=True)
    scheduler.set_timesteps(27)
    for step, timestep in zip(steps(linear(), kept), scheduler.timesteps, strict=True):
        generator = torch.Generator().manual_seed(step.timestep)
        x = torch.randn(2, 3, 4, 4, generator=generator)
        predicted = torch.randn(2, 3, 4, 4, generator=generator)
        expected = scheduler.step(predicted, timestep, x, use_clipped_model_output=True).prev_sample
        assert (ddim_step(step, x, predicted) - expected).abs().max() < 1e-4


def test_why_not_the_schedulers_of_diffusers() -> None:
    """The steps that they cannot take; if this fails, ours can go."""
    scheduler = diffusers.DDIMScheduler()
    with pytest.raises(TypeError):
        scheduler.set_timesteps(timesteps=fast27()[::-1])


@pytest.mark.parametrize("signals", [squared_cosine(), linear()], ids=["cosine", "linear"])
def test_the_right_noise_gives_the_picture(signals: list[float]) -> None:
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(2, 3, 4, 4, generator=generator, dtype=torch.float64) * 2 - 1
    noise = torch.randn(picture.shape, generator=generator, dtype=torch.float64)
    kept = spaced(20)
    x = signals[kept[-1]] ** 0.5 * picture + (1 - signals[kept[-1]]) ** 0.5 * noise
    for step in steps(signals, kept):
        x = ddim_step(step, x, noise)
    torch.testing.assert_close(x, picture, atol=1e-6, rtol=0)
