"""Validation (protocol 2.8): prefix "A picture of", no packing, retrieval over the whole set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from gill_bench.metrics.functional.captions.bleu import torchmetrics_bleu
from gill_bench.models.interleaved.decoding import greedy_texts
from gill_bench.models.interleaved.tokens import LanguageTokens
from gill_bench.training.batches import Item, Source
from gill_bench.training.losses import conditioning_distance
from gill_bench.training.network import TrainingNetwork

PREFIX = "A picture of"
NEW_TOKENS = 32
_ROWS = 1024  # queries that are ranked at once
SELECTION = "text_to_image_r1"
"""The number by which the best checkpoint is chosen, the authors' `top1_caption`."""


@torch.no_grad()
def validate(
    network: TrainingNetwork,
    tokens: LanguageTokens,
    source: Source,
    items: Sequence[Item],
    batch_size: int,
    gather: Callable[[list[Any]], list[Any]],
) -> dict[str, float]:
    """Measure on one process's share of the validation pairs, and put the shares together.

    Args:
        network: The network in training.
        tokens: Tokenizer.
        source: Reader of pictures and targets.
        items: Pairs of this process.
        batch_size: Number of pairs in one pass.
        gather: Function that joins the lists of all processes; it returns the same list in each of them.

    Returns:
        Values by name: cross-entropies, next-token accuracy, l_g, recalls in 0..1, and BLEU-1..4 in 0..1. Retrieval
        ranks the whole set with any number of processes, where the authors rank a remainder separately.
    """
    parts: list[dict[str, Any]] = []
    for begin in range(0, len(items), batch_size):
        part = items[begin : begin + batch_size]
        parts.append(_measure(network, tokens, source, part))
    parts = gather(parts)
    total = sum(part["count"] for part in parts)
    means = {
        name: sum(part[name] * part["count"] for part in parts) / total
        for name in ("captioning", "accuracy", "generation_tokens", "generation")
    }
    texts = torch.cat([part["texts"] for part in parts])
    images = torch.cat([part["images"] for part in parts])
    for name, queries, keys in (("text_to_image", texts, images), ("image_to_text", images, texts)):
        ranks = own_ranks(queries, keys)
        means |= {f"{name}_r{k}": float((ranks < k).float().mean()) for k in (1, 5)}
    captions = [caption for part in parts for caption in part["captions"]]
    return means | bleu(captions)


def own_ranks(queries: Tensor, keys: Tensor) -> Tensor:
    """For each query (N, p), the number of keys (N, p) that are nearer than the key of the same row."""
    ranks = []
    for begin in range(0, len(queries), _ROWS):
        scores = queries[begin : begin + _ROWS] @ keys.T
        rows = torch.arange(len(scores))
        target_scores = scores[rows, rows + begin]
        ranks.append((scores > target_scores[:, None]).sum(dim=1))
    return torch.cat(ranks)


def bleu(captions: Iterable[tuple[str, str, str]]) -> dict[str, float]:
    """BLEU-1..4 of torchmetrics over whitespace-separated words.

    Args:
        captions: Triples of picture, generated caption and reference. The references of a picture are pooled.
    """
    triples = list(captions)
    references: dict[str, list[str]] = {}
    for picture, _, reference in triples:
        references.setdefault(picture, []).append(reference)
    texts = [text for _, text, _ in triples]
    pooled = [references[picture] for picture, _, _ in triples]
    return {f"bleu_{n}": value for n, value in enumerate(torchmetrics_bleu(texts, pooled), start=1)}


def cut_caption(text: str) -> str:
    """Cut a generated caption at its first period, unless the period is among the first six characters.

    >>> cut_caption("a red dog. it runs")
    'a red dog'
    """
    end = text.find(".")
    return text[:end] if end > 5 else text


def _measure(network: TrainingNetwork, tokens: LanguageTokens, source: Source, items: Sequence[Item]) -> dict[str, Any]:
    batch = source.batch(items)
    prefix = tokens.encode(PREFIX)
    features = network.features(batch.pictures)
    captioning = network.read(network.builder.captioning(batch.captions, packed=False, prefix=prefix), features)
    images = network.read(network.builder.image_tokens(batch.captions, packed=False, prefix=prefix), None)
    pictures = network.heads.visual_tokens(features.to(network.dtype)).to(network.language.dtype)
    start = network.language.embed([tokens.bos, *prefix])
    sequences = [torch.cat([picture, start]) for picture in pictures]
    texts = greedy_texts(network.language, tokens, sequences, NEW_TOKENS, ())
    r = len(tokens.image_ids)
    return {
        "count": len(items),
        "captioning": float(captioning.cross_entropy),
        "accuracy": float(captioning.accuracy),
        "generation_tokens": float(images.cross_entropy),
        "generation": float(
            conditioning_distance(network.heads.condition(images.states), network.to_device(batch.targets))
        ),
        "texts": normalize(network.heads.embed_states(images.states).float(), dim=-1).cpu(),
        "images": normalize(network.heads.embed_features(features.to(network.dtype)).float(), dim=-1).cpu(),
        "captions": [
            (str(item.pictures[0]), cut_caption(text), tokens.decode(ids[:-r]))
            for item, text, ids in zip(items, texts, batch.captions, strict=True)
        ],
    }
