"""Run by each of two processes: contrastive gradients over both, then a short training. Not a test itself."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from torch.testing import assert_close

from gill_bench.training import TrainConfig, train
from gill_bench.training.losses import contrastive


def contrastive_over_both(accelerator: Accelerator) -> None:
    """The loss is that of all rows; gradients of the own rows are those of the whole loss (protocol 2.7)."""
    rank = accelerator.process_index
    generator = torch.Generator().manual_seed(0)
    texts, images = torch.randn(6, 5, generator=generator), torch.randn(6, 5, generator=generator)
    texts.requires_grad_(True)
    images.requires_grad_(True)
    scale = torch.tensor(1.0)
    scores = (scale.exp() * torch.nn.functional.normalize(images)) @ torch.nn.functional.normalize(texts).T
    own = torch.arange(6)
    entropy = torch.nn.functional.cross_entropy
    whole = (entropy(scores, own) + entropy(scores.T, own)) / 2
    whole.backward()  # type: ignore[no-untyped-call]
    share = slice(3 * rank, 3 * rank + 3)
    left, right = (part.detach()[share].requires_grad_(True) for part in (texts, images))
    loss = contrastive(left, right, scale)
    loss.backward()  # type: ignore[no-untyped-call]
    assert texts.grad is not None
    assert images.grad is not None
    assert_close(loss, whole)
    assert_close(left.grad, texts.grad[share])
    assert_close(right.grad, images.grad[share])


if __name__ == "__main__":
    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True)
    assert accelerator.num_processes == 2
    contrastive_over_both(accelerator)
    result = train(TrainConfig.model_validate_json(Path(sys.argv[1]).read_text()))
    assert result.best is not None
    print(result.history[-1])
