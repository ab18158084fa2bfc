"""The trained part of FROMAGe: projections into and out of the language model, and the embedding of [RET].

The attributes are named as in the checkpoints, without the prefix `model.` (protocol 4).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gill_bench.models.fromage.checking import FromageSizes


class FromageHeads(nn.Module):
    """All 8 tensors that FROMAGe trains: 5,513,729 numbers in the released model with one visual token."""

    def __init__(self, sizes: FromageSizes) -> None:
        super().__init__()
        e, p = sizes.llm_width, sizes.shared_emb_dim
        self.logit_scale = nn.Parameter(torch.empty(()))
        # The authors' second module is a dropout, which has no tensors and does nothing outside training.
        self.text_hidden_fcs = nn.ModuleList([] if p is None else [nn.Sequential(nn.Linear(e, p))])
        self.visual_embeddings = nn.Linear(sizes.vision_width, sizes.n_visual_tokens * e)
        self.visual_fc = nn.Linear(sizes.vision_width, e if p is None else p)
        self.ret_input_embeddings = nn.Embedding(1, e)
        self.sizes = sizes

    def visual_tokens(self, features: Tensor) -> Tensor:
        """Input embeddings (N, k, e) of pictures from their CLIP features (N, d)."""
        projected: Tensor = self.visual_embeddings(features)
        return projected.view(len(features), self.sizes.n_visual_tokens, self.sizes.llm_width)

    def embed_features(self, features: Tensor) -> Tensor:
        """Retrieval vectors (N, p) of pictures from their CLIP features (N, d); not normalised."""
        projected: Tensor = self.visual_fc(features)
        return projected

    def embed_states(self, states: Tensor) -> Tensor:
        """Retrieval vectors (N, p) from states (N, 1, e) at [RET]; not normalised."""
        vectors = states[:, 0]
        for head in self.text_hidden_fcs:
            vectors = head(vectors)
        return vectors
