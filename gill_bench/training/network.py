"""GILL in training: the frozen networks, the heads, and the three passes over a batch (protocol 2.3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from gill_bench.models.gill.network import GillHeads
from gill_bench.models.gill.sizes import GillSizes, flat_width
from gill_bench.models.interleaved.language import LanguageModel
from gill_bench.models.interleaved.prompt_encoder import IGNORED
from gill_bench.models.interleaved.tokens import LanguageTokens
from gill_bench.models.interleaved.vision import VisualEncoder
from gill_bench.models.layer_shapes import Shapes
from gill_bench.training.batches import Batch
from gill_bench.training.config import Mapper, Objective
from gill_bench.training.losses import conditioning_distance, contrastive
from gill_bench.training.sequences import PICTURE, Builder, TrainingSequence

INITIAL_LOGIT_SCALE = math.log(1 / 0.07)  # protocol 1.1
Pass = Literal["captioning", "retrieval", "generation"]
PASSES: tuple[Pass, ...] = ("captioning", "retrieval", "generation")


class Read(NamedTuple):
    """The language model's output for training sequences.

    Attributes:
        cross_entropy: Mean over all labels but those at a first position.
        accuracy: Share of those labels that were the likeliest token.
        states: States (N, r, e) at the [IMG] tokens of N examples, in their order.
    """

    cross_entropy: Tensor
    accuracy: Tensor
    states: Tensor


@dataclass(frozen=True, slots=True)
class Scales:
    """Factors of the losses of the three passes; a pass with factor 0 is not run."""

    captioning: float = 1.0
    retrieval: float = 1.0
    generation: float = 1.0


class TrainingNetwork(nn.Module):
    """The module that is trained; its parameters are those of the heads.

    The [IMG] rows of the language model's tied table exist only in the heads, which serve both as input embeddings and
    as rows of the LM head. This equals the authors' row mask on the gradient of the whole table, without the table's
    weight decay, which changes nothing in bf16 and would erode the table in fp32 (protocol 2.6). The frozen networks
    are not submodules, so that no wrapper copies, synchronises or saves them.
    """

    def __init__(
        self,
        tokens: LanguageTokens,
        language: LanguageModel,
        vision: VisualEncoder,
        heads: GillHeads,
        objective: Objective,
        scales: Scales,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.language = language
        self.vision = vision
        self.scales = scales
        self.as_in_paper = objective == "paper"
        self.builder = Builder(tuple(tokens.image_ids), heads.sizes.n_visual_tokens, first_only=self.as_in_paper)
        self._first = tokens.size - len(tokens.image_ids)
        # The other rows are frozen, so that their mean norm never changes.
        with torch.no_grad():
            self._mean_norm = language.embed(torch.arange(self._first)).norm(dim=-1).mean()

    def forward(self, batch: Batch, packed: dict[Pass, bool]) -> dict[str, Tensor]:
        """The weighted losses by name, whose sum is minimised.

        Args:
            batch: N pairs, and stories.
            packed: For each pass, whether its captions stand pairwise in one sequence.
        """
        features = self.features(batch.pictures)
        story_features = self.features(batch.story_pictures) if len(batch.story_pictures) else features[:0]
        losses: dict[str, Tensor] = {}
        if self.scales.captioning:
            pairs = self.builder.captioning(batch.captions, packed["captioning"])
            stories = [story.captioning for story in batch.stories]
            output = self.read([*pairs, *stories], torch.cat([features, story_features]))
            losses["captioning"] = self.scales.captioning * output.cross_entropy
        if self.scales.retrieval:
            output = self.read(self.builder.image_tokens(batch.captions, packed["retrieval"]), None)
            texts, images = self.heads.embed_states(output.states), self.heads.embed_features(features.to(self.dtype))
            loss = contrastive(texts, images, self.heads.logit_scale, sum_directions=self.as_in_paper)
            losses["retrieval_tokens"] = self.scales.retrieval * output.cross_entropy / 2
            losses["contrastive"] = self.scales.retrieval * loss
        if self.scales.generation:
            pairs = self.builder.image_tokens(batch.captions, packed["generation"])
            stories = [story.generation for story in batch.stories]
            output = self.read([*pairs, *stories], story_features)
            distance = conditioning_distance(
                self.heads.condition(output.states), self.to_device(batch.targets), squared=self.as_in_paper
            )
            losses["generation_tokens"] = self.scales.generation * output.cross_entropy / 2
            losses["generation"] = self.scales.generation * distance
        return losses

    def features(self, pictures: Tensor) -> Tensor:
        """CLIP's features (N, d) of preprocessed pictures (N, 3, height, width); features (N, d) are only moved."""
        if pictures.ndim == 4:
            # A copy, because tensors of the inference mode cannot take part in a backward pass.
            return self.vision.features_of(pictures).clone()
        return self.to_device(pictures)

    def read(self, sequences: Sequence[TrainingSequence], features: Tensor | None) -> Read:
        """Run the language model over training sequences.

        Args:
            sequences: The sequences.
            features: Features (M, d) of the M pictures in all sequences, in order.
        """
        flat = torch.cat(self._states(self._embed(sequences, features)))
        targets = torch.tensor(
            [label for each in sequences for label in (*each.labels[1:], IGNORED)], device=flat.device
        )
        labelled = targets != IGNORED
        # Logits are computed only for positions with a label, because they are the largest tensor of a step.
        logits = self._logits(flat[labelled]).float()
        loss = cross_entropy(logits, targets[labelled])
        accuracy = (logits.argmax(dim=-1) == targets[labelled]).float().mean()
        positions, begin = [], 0
        for each in sequences:
            positions += [begin + start for start in each.starts]
            begin += len(each.ids)
        span = torch.arange(self.heads.sizes.num_tokens, device=flat.device)
        index = torch.tensor(positions, dtype=torch.long, device=flat.device)[:, None] + span
        return Read(loss, accuracy, flat[index].to(self.dtype))

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the trained network."""
        return self.heads.input_embeddings.weight.dtype

    @torch.no_grad()
    def renormalise(self) -> None:
        """Give every [IMG] embedding the mean norm of the table's other rows; the authors do so after each step."""
        table = self.heads.input_embeddings.weight
        norms = table.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(table.dtype).tiny)
        table.mul_(self._mean_norm.to(table.dtype) / norms)

    def to_device(self, values: Tensor) -> Tensor:
        """Move a tensor to the language model's device."""
        return values.to(self.language.device)

    def _states(self, embeddings: list[Tensor]) -> list[Tensor]:
        """States of sequences; those of similar lengths go through the language model together, with little padding."""
        states: dict[int, Tensor] = {}
        for numbers in _similar([len(each) for each in embeddings]):
            states |= zip(numbers, self.language.states([embeddings[number] for number in numbers]), strict=True)
        return [states[number] for number in range(len(embeddings))]

    def _embed(self, sequences: Sequence[TrainingSequence], features: Tensor | None) -> list[Tensor]:
        ids = self.to_device(torch.tensor([token for each in sequences for token in each.ids]))
        embeddings = self.language.embed(ids.clamp(min=0))
        trained = ids >= self._first
        embeddings[trained] = self.heads.input_embeddings(ids[trained] - self._first).to(embeddings.dtype)
        if features is not None and len(features):
            tokens = self.heads.visual_tokens(features.to(self.dtype)).to(embeddings.dtype)
            embeddings[ids == PICTURE] = tokens.flatten(0, 1)
        return list(torch.split(embeddings, [len(each.ids) for each in sequences]))

    def _logits(self, states: Tensor) -> Tensor:
        table = self.heads.input_embeddings.weight.to(states.dtype)
        return torch.cat([self.language.logits(states)[:, : self._first], states @ table.T], dim=-1)


def _similar(lengths: Sequence[int]) -> list[list[int]]:
    """The numbers of sequences, in groups whose longest is at most half as long again as the shortest.

    >>> _similar([10, 15, 16, 40])
    [[0, 1], [2], [3]]
    """
    groups: list[list[int]] = []
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        if not groups or 2 * lengths[number] > 3 * lengths[groups[-1][0]]:
            groups.append([])
        groups[-1].append(number)
    return groups


def new_heads(
    sizes: GillSizes, image_embeddings: Tensor, mapper_width: int, mapper_layers: int, seed: int
) -> GillHeads:
    """Heads with initial values: PyTorch's own for linear layers, Xavier for the mapper's transformer (protocol 1.4).

    The initial [IMG] rows (r, e) are given; `TrainConfig` describes the mapper's width and layers.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        heads = GillHeads(sizes, mapper_shapes(sizes, mapper_width, mapper_layers))
        with torch.no_grad():
            heads.logit_scale.fill_(INITIAL_LOGIT_SCALE)
            heads.input_embeddings.weight.copy_(image_embeddings)
            queries = getattr(heads.gen_text_hidden_fcs[0], "query_embs", None)
            if queries is not None:
                queries.normal_()
    return heads


def mapper_shapes(sizes: GillSizes, width: int, layers: int) -> Shapes:
    """Shapes from which `GillHeads` takes the generation head's inner sizes."""
    mapper: Mapper = sizes.text_fc_mode  # type: ignore[assignment]
    shapes: dict[str, tuple[int, ...]] = {}
    if mapper == "mlp":
        shapes["layers.0.weight"] = (4 * width, sizes.llm_width)
    elif mapper != "linear":
        shapes["fc.weight"] = (width, sizes.llm_width)
    for layer in range(layers):
        for stack in {"gill_mapper": ("encoder.", "decoder."), "encoder": ("",)}.get(mapper, ()):
            shapes[f"tfm.{stack}layers.{layer}.linear1.weight"] = (4 * width, width)
    if mapper != "gill_mapper":
        shapes["model.weight"] = (flat_width(sizes), 0)
    return {f"gen_text_hidden_fcs.0.{key}": shape for key, shape in shapes.items()}


def initial_image_embeddings(table: Tensor, first: int, count: int, std: float, seed: int) -> Tensor:
    """Initial [IMG] rows (r, e): rows that OPT's table has already, and normal ones beyond its end (protocol 1.2).

    Args:
        table: OPT's table (vocabulary, e) as published.
        first: Id of [IMG0].
        count: Number of [IMG] tokens, r.
        std: Standard deviation of new rows, OPT's `init_std`.
        seed: Seed of new rows.
    """
    rows = torch.randn(count, table.shape[1], generator=torch.Generator().manual_seed(seed)) * std
    existing = table[first : first + count]
    rows[: len(existing)] = existing.float()
    return rows
