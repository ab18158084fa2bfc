from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Literal, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from gill_bench.models.glide.network import Condition, Network
from gill_bench.models.glide.sampling import PictureNoise, Sampler, eight_bits, to_images
from gill_bench.models.glide.schedule import fast27, spaced
from tests.models.glide.reference import Reference, sample
from tests.models.glide.tiny import network, reference, tokens

TEXTS = [[5, 80, 256, 7], [200, 3, 9]]


def draw(sampler: Sampler, count: int = len(TEXTS), seed: int = 3) -> torch.Tensor:
    return torch.randn(count, sampler.noise_size(), generator=torch.Generator().manual_seed(seed))


def run(sampler: Sampler, noise: PictureNoise, texts: list[list[int]] = TEXTS) -> torch.Tensor:
    ids, mask = tokens(texts)
    with torch.no_grad():
        conditions = sampler.base.condition(ids, mask), sampler.upsampler.condition(ids, mask)
        return sampler(conditions, sampler.base.unconditional(), noise)


@pytest.mark.parametrize(
    ("scale", "guidance", "base_steps", "upsample_steps", "temperature", "tolerance"),
    [
        pytest.param(0.1, 3.0, 100, "fast27", 0.997, 1e-5, marks=pytest.mark.slow),
        # Where a step divides by little signal, float32 keeps no more of single pixels.
        (1.0, 3.0, 6, "fast27", 0.997, 1e-3),
        (1.0, 1.0, 5, 4, 1.0, 1e-3),
        (1.0, 0.0, 3, 2, 0.5, 1e-3),
    ],
)
def test_whole_samples_agree_with_the_reference(
    scale: float,
    guidance: float,
    base_steps: int,
    upsample_steps: Literal["fast27"] | int,
    temperature: float,
    tolerance: float,
) -> None:
    base, upsampler = network(upsampler=False), network(upsampler=True)
    with torch.no_grad():
        for unet in (base, upsampler):
            for value in unet.out[-1].parameters():
                value.mul_(scale)
    sampler = Sampler(base, upsampler, guidance, base_steps, upsample_steps, temperature)
    texts = TEXTS[:1] if base_steps == 100 else TEXTS
    noise = sampler.arrange(draw(sampler, len(texts)))
    pictures = run(sampler, noise, texts)
    for row, text in enumerate(texts):
        first, new, large = (item[row : row + 1].double() for item in noise)
        expected = sample(
            reference(base),
            reference(upsampler),
            text,
            (first, new.transpose(0, 1), large),
            kept=spaced(base_steps),
            upsampler_kept=fast27() if upsample_steps == "fast27" else spaced(upsample_steps),
            guidance=guidance,
            temperature=temperature,
        )
        difference = (pictures[row : row + 1] - expected).abs()
        assert difference.max() < tolerance
        assert difference.mean() < 5e-6
        assert expected.std() > 0.3


class Plain:
    """A network of one line, in float64, that uses everything it is given."""

    def __init__(self, resolution: int) -> None:
        self.sizes = SimpleNamespace(resolution=resolution)

    def output(self, x: Tensor, timesteps: Tensor, text: Tensor, small: Tensor | None) -> Tensor:
        noise = x * (timesteps / 1000)[:, None, None, None] ** 0.1 + 0.1 * text[:, None, None, None]
        if small is not None:
            noise = noise - 0.01 * torch.nn.functional.interpolate(small, x.shape[2:])
        return torch.cat([noise, torch.sin(9 * x + text[:, None, None, None])], dim=1)

    def __call__(self, x: Tensor, timesteps: Tensor, condition: Condition, small: Tensor | None = None) -> Tensor:
        return self.output(x, timesteps.double(), condition.projection[:, 0], small)

    def slowly(self, x: Tensor, timestep: int, ids: Sequence[int], small: Tensor | None = None) -> Tensor:
        text = torch.tensor([float(sum(ids))], dtype=torch.float64)
        return self.output(x, torch.tensor([float(timestep)], dtype=torch.float64), text, small)


def test_the_samplers_alone_agree_with_the_reference_in_float64() -> None:
    base, upsampler = Plain(4), Plain(8)
    sampler = Sampler(cast(Network, base), cast(Network, upsampler))
    noise = sampler.arrange(draw(sampler).double())
    condition = Condition(torch.tensor([[1.0], [2.0]], dtype=torch.float64), ())
    pictures = sampler((condition, condition), Condition(torch.zeros(1, 1, dtype=torch.float64), ()), noise)
    for row, ids in enumerate([[1], [2]]):
        first, new, large = (item[row : row + 1] for item in noise)
        expected = sample(
            cast(Reference, base.slowly),
            cast(Reference, upsampler.slowly),
            ids,
            (first, new.transpose(0, 1), large),
            kept=spaced(100),
            upsampler_kept=fast27(),
            guidance=3.0,
            temperature=0.997,
        )
        assert (pictures[row : row + 1] - expected).abs().max() < 1e-8
        assert expected.abs().median() < 0.9


def test_noise_is_taken_apart_in_order() -> None:
    sampler = Sampler(network(upsampler=False), network(upsampler=True), base_steps=3)
    assert sampler.noise_size() == 3 * 3 * 8 * 8 + 3 * 16 * 16
    drawn = draw(sampler)
    noise = sampler.arrange(drawn)
    assert noise.base.shape == (2, 3, 8, 8)
    assert noise.base_steps.shape == (2, 2, 3, 8, 8)
    assert noise.upsampler.shape == (2, 3, 16, 16)
    assert torch.equal(torch.cat([item.flatten(1) for item in noise], dim=1), drawn)


def test_a_picture_depends_on_its_own_noise_alone() -> None:
    sampler = Sampler(network(upsampler=False), network(upsampler=True), base_steps=4, upsample_steps=3)
    drawn = draw(sampler)
    both = run(sampler, sampler.arrange(drawn))
    alone = run(sampler, sampler.arrange(drawn[1:]), TEXTS[1:])
    torch.testing.assert_close(both[1:], alone, atol=1e-5, rtol=0)
    # All numbers that were drawn count, in blocks: a single one can be lost where the pictures are cut at -1 and 1.
    for start in range(0, sampler.noise_size(), 389):
        changed = drawn.clone()
        changed[0, start : start + 389] += 1
        other = run(sampler, sampler.arrange(changed))
        assert not torch.equal(other[0], both[0])
        assert torch.equal(other[1], both[1])


def test_sampled_values_become_pictures_of_eight_bits() -> None:
    levels = torch.arange(256) / 127.5 - 1
    torch.testing.assert_close(eight_bits(levels + 0.003), levels)
    x = torch.stack([levels.view(16, 16), levels.view(16, 16) * 2, -levels.view(16, 16)])[None]
    (image,) = to_images(x)
    pixels = np.asarray(image)
    assert (image.mode, image.size) == ("RGB", (16, 16))
    assert pixels[..., 0].ravel().tolist() == list(range(256))
    assert pixels[0, 0].tolist() == [0, 0, 255]
    assert pixels[15, 15].tolist() == [255, 255, 0]
