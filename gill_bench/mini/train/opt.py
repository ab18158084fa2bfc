"""Training of OPT-mini, a causal language model with a byte-level BPE, on texts of the mini world, in two stages.

In most texts, the words that stand in the place of a picture are summed in groups, so that a picture takes a few
positions, as it does in GILL (four) and FROMAGe (one). So the language model learns to read several properties from one
input embedding, which large language models can without such training.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, embedding_bag, linear

from gill_bench.mini.bpe import write_opt_tokenizer
from gill_bench.mini.documents import (
    SLOTS,
    Alternative,
    Given,
    Segments,
    document,
    story_document,
    vocabulary_texts,
)
from gill_bench.mini.grammar import sequence, story
from gill_bench.mini.train.loop import Stage, TrainingWork, bfloat16_is_fast
from gill_bench.models.interleaved.prompt_encoder import IGNORED
from gill_bench.models.interleaved.tokens import LanguageTokens, load_tokens

WIDTH, LAYERS, HEADS, POSITIONS, MERGES = 128, 4, 4, 512, 2000
_PAD = 1
_PARTS = 4  # documents of a batch are read in so many parts
_SLOTS = (0, 1, 1, SLOTS, SLOTS)  # see `encode`; how often each number occurs
_SPARE_ROWS = 7  # rows without a token, as OPT-6.7b has them (50272 - 50265); [IMG0..6] use them (protocol 1.2)


class StoryStage(Stage):
    """Training of the language model on stories and captions, all words in positions of their own.

    From random values on texts of all kinds at once it does not learn to name what stories are about.
    """

    name = "opt-stories"
    steps = 3000
    rate = 2e-3
    averaged = 0.99
    batch = 32
    slots: tuple[int, ...] = (0,)
    document = staticmethod(story_document)

    def __init__(self, work: TrainingWork) -> None:
        self.work = work
        self.folder = work.folder / ".states" / "opt-tokenizer"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rows = write_opt_tokenizer(self.folder, vocabulary_texts(work.seed), MERGES) + _SPARE_ROWS
        self.tokens = load_tokens(self.folder, 8)

    def build(self) -> nn.Module:
        """A new `OPTForCausalLM`."""
        from transformers import OPTConfig, OPTForCausalLM

        configuration = OPTConfig(
            vocab_size=self.rows,
            hidden_size=WIDTH,
            word_embed_proj_dim=WIDTH,
            ffn_dim=4 * WIDTH,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            max_position_embeddings=POSITIONS,
            do_layer_norm_before=True,
            bos_token_id=2,
            eos_token_id=2,
            pad_token_id=_PAD,
            dropout=0.0,
        )
        model = OPTForCausalLM(configuration)
        # Fused attention is slow in bfloat16 on CPUs.
        model.set_attn_implementation("eager" if bfloat16_is_fast() else "sdpa")
        network: nn.Module = model
        return network

    def loss(self, model: nn.Module, rng: random.Random) -> dict[str, Tensor]:
        """The loss of one batch of new documents."""
        texts = [encode(self.tokens, self.document(rng), rng.choice(self.slots)) for _ in range(self.batch)]
        # Documents of similar lengths are read together, because the longest ones are ten times as long as the others.
        texts.sort(key=len)
        parts = [texts[begin : begin + self.batch // _PARTS] for begin in range(0, self.batch, self.batch // _PARTS)]
        losses = [cross_entropy(*predictions(model, part), reduction="sum") for part in parts]
        count = sum(position.label != IGNORED for text in texts for position in text[1:])
        return {"text": torch.stack(losses).sum() / count}

    @torch.no_grad()
    def finish(self, model: nn.Module, folder: Path) -> dict[str, float]:
        """Write model and tokenizer; measure `recall` after captions alone, and with alternative texts between them."""
        model.save_pretrained(folder)  # type: ignore[operator]
        write_opt_tokenizer(folder, vocabulary_texts(self.work.seed), MERGES)
        return {
            f"{name}, {word}": value
            for name, with_pictures in (("captions", False), ("captions and pictures", True))
            for word, value in self.recall(model, with_pictures).items()
        }

    @torch.no_grad()
    def recall(self, model: nn.Module, with_pictures: bool, count: int = 200) -> dict[str, float]:
        """The share of validation stories for which the model describes parts of the last picture rightly.

        Args:
            model: The language model.
            with_pictures: Whether the prompt has an alternative text for each earlier picture.
            count: The number of stories.

        Returns:
            The shares for "thing" (colour and shape), "position" and "background".
        """
        rng = random.Random(f"gill-bench mini recall {self.work.seed}")  # noqa: S311 (a data set, not a secret)
        hits: dict[str, list[float]] = {"thing": [], "position": [], "background": []}
        for _ in range(count):
            scenes = sequence(rng, "val")
            texts = story(scenes, rng)
            before: Segments = [" ".join(texts)]
            if with_pictures:
                shown = zip(texts[:-1], scenes[:-1], strict=True)
                before = [*(part for text, scene in shown for part in (text, Alternative(scene))), texts[-1]]
            prompt = encode(self.tokens, before, max(self.slots))
            answer = self.tokens.encode(Alternative(scenes[-1]).text)
            logits, _ = predictions(model, [[*prompt, *(Position([token], token) for token in answer)]])
            right = logits[-len(answer) :].argmax(-1) == torch.tensor(answer)
            hits["thing"].append(float(right[1:3].all()))
            hits["position"].append(float(right[3:-1].all()))
            hits["background"].append(float(right[-1]))
        return {name: sum(values) / len(values) for name, values in hits.items()}


class OptStage(StoryStage):
    """Further training of the language model, on texts of all kinds."""

    name = "opt-mini"
    slots = _SLOTS
    document = staticmethod(document)

    def build(self) -> nn.Module:
        """The language model that stories were taught to."""
        model = super().build()
        model.load_state_dict(type(model).from_pretrained(self.work.finished(StoryStage.name)).state_dict())  # type: ignore[attr-defined]
        return model


class Position(NamedTuple):
    """A position of a text: the ids whose embeddings are summed there, and the id to predict, if any."""

    ids: list[int]
    label: int = IGNORED


def encode(tokens: LanguageTokens, segments: Segments, slots: int) -> list[Position]:
    """The positions of a prompt, with BOS before its first text (protocol 1.11).

    Args:
        tokens: The tokenizer.
        segments: The segments.
        slots: The number of positions in which the ids of a description in a picture's place are grouped, see
            `Alternative.groups`; 0 = a position for each id.
    """
    positions: list[Position] = []
    begun = False
    for segment in segments:
        if isinstance(segment, Alternative) and slots:
            positions += [Position(tokens.encode(group)) for group in segment.groups(slots)]
            continue
        if isinstance(segment, str) and not begun:
            positions.append(Position([tokens.bos], tokens.bos))
            begun = True
        ids = tokens.encode(segment if isinstance(segment, str) else segment.text)
        positions += [Position([token], IGNORED if isinstance(segment, Given) else token) for token in ids]
    return positions


def predictions(model: nn.Module, texts: Sequence[Sequence[Position]]) -> tuple[Tensor, Tensor]:
    """Logits (M, vocabulary) and labels (M,) of all positions of some texts that have a label, but for the first."""
    width = max(map(len, texts))
    padded = [[*text, *[Position([])] * (width - len(text))] for text in texts]
    groups = [position.ids for text in padded for position in text]
    flat = torch.tensor([token for ids in groups for token in ids])
    offsets = torch.tensor([0, *accumulate(len(ids) for ids in groups)][:-1])
    decoder: Any = model.model.decoder  # type: ignore[union-attr]
    table = decoder.embed_tokens.weight
    embeddings = embedding_bag(flat, table, offsets, mode="sum").view(len(texts), width, -1)
    states = decoder(inputs_embeds=embeddings, use_cache=False).last_hidden_state[:, :-1].flatten(0, 1)
    labels = torch.tensor([position.label for text in padded for position in text[1:]])
    labelled = labels != IGNORED
    return linear(states[labelled], table).float(), labels[labelled]
