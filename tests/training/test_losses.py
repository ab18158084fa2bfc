from __future__ import annotations

import math

import torch
from torch.testing import assert_close

from gill_bench.training.losses import conditioning_distance, contrastive


def test_the_contrastive_loss_is_the_formula_written_out() -> None:
    generator = torch.Generator().manual_seed(0)
    texts, images = torch.randn(5, 7, generator=generator), torch.randn(5, 7, generator=generator)
    scale = torch.tensor(math.log(1 / 0.07))
    cosine = torch.tensor([[torch.cosine_similarity(v, t, dim=0) for t in texts] for v in images]) / 0.07
    by_image = -(cosine.diag() - cosine.logsumexp(dim=1)).mean()
    by_text = -(cosine.diag() - cosine.logsumexp(dim=0)).mean()
    assert_close(contrastive(texts, images, scale), (by_image + by_text) / 2)
    assert_close(contrastive(texts, images, scale, sum_directions=True), by_image + by_text)


def test_distance_is_not_squared_unless_asked() -> None:
    """For two unit-normal vectors of 768 numbers: about 39, and 39 squared (protocol 8, trap 15)."""
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(4, 77, 768, generator=generator), torch.randn(4, 77, 768, generator=generator)
    assert_close(conditioning_distance(left, right), torch.tensor(39.2), atol=0.3, rtol=0)
    assert_close(conditioning_distance(left, right, squared=True), torch.tensor(1536.0), atol=20, rtol=0)


def test_distance_in_half_precision_is_computed_in_full() -> None:
    left, right = torch.zeros(1, 2, 3, dtype=torch.bfloat16), torch.ones(1, 2, 3, dtype=torch.float16)
    distance = conditioning_distance(left, right)
    assert distance.dtype == torch.float32
    assert_close(distance, torch.tensor(math.sqrt(3)))
