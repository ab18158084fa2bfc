"""The losses of protocol 2.3: contrastive, and distance to the text encoder's vectors."""

from __future__ import annotations

import torch
from torch import Tensor, distributed
from torch.nn.functional import cross_entropy, normalize


def contrastive(texts: Tensor, images: Tensor, logit_scale: Tensor, *, sum_directions: bool = False) -> Tensor:
    """InfoNCE over a batch (paper Eq. 4), averaged over its two directions as the authors' code does.

    Args:
        texts: Retrieval vectors of texts (N, p), not normalised.
        images: Retrieval vectors of pictures (N, p), not normalised; row i belongs to row i of the texts.
        logit_scale: Logarithm of the factor on the cosine.
        sum_directions: Whether to add the two directions instead of averaging them, as the paper says.
    """
    text_vectors = gathered(normalize(texts, dim=-1))
    image_vectors = gathered(logit_scale.exp() * normalize(images, dim=-1))
    scores = (image_vectors @ text_vectors.T).float()
    labels = torch.arange(len(scores), device=scores.device)
    total = cross_entropy(scores, labels) + cross_entropy(scores.T, labels)
    return total if sum_directions else total / 2


def conditioning_distance(vectors: Tensor, targets: Tensor, *, squared: bool = False) -> Tensor:
    """l_g: mean Euclidean distance of conditioning vectors (N, L, d) to the text encoder's (N, L, d).

    Args:
        vectors: Vectors of the generation head.
        targets: Vectors of the text encoder.
        squared: Whether to take the squared distance, as the paper's Eq. 3 says. For d = 768 it is about forty times
            larger.
    """
    difference = vectors.float() - targets.float()
    return difference.square().sum(dim=-1).mean() if squared else difference.norm(dim=-1).mean()


def gathered(rows: Tensor) -> Tensor:
    """Join the rows (n, p) of all processes to (N, p); only this process's rows have a gradient (protocol 2.7)."""
    if not distributed.is_available() or not distributed.is_initialized() or distributed.get_world_size() == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, rows.detach().contiguous())
    parts[distributed.get_rank()] = rows
    return torch.cat(parts)
