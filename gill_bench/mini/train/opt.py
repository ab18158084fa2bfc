"""Training of OPT-mini, a causal language model with a byte-level BPE, on texts of the mini world."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from gill_bench.mini.bpe import write_opt_tokenizer
from gill_bench.mini.grammar import Alternative, alternative_text, document, sequence, story, vocabulary_texts
from gill_bench.mini.train.loop import Stage, TrainingWork
from gill_bench.models.interleaved.tokens import LanguageTokens, load_tokens

WIDTH, LAYERS, HEADS, POSITIONS, MERGES = 128, 4, 4, 512, 2000
_PAD = 1
_SPARE_ROWS = 7  # rows without a token, as OPT-6.7b has them (50272 - 50265); [IMG0..6] use them (protocol 1.2)


class OptStage(Stage):
    """Training of the language model by next-token prediction."""

    name = "opt-mini"
    steps = 2500
    rate = 2e-3
    averaged = 0.99
    batch = 48

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
        model.set_attn_implementation("eager")  # fused attention is slow in bfloat16 on CPUs
        network: nn.Module = model
        return network

    def loss(self, model: nn.Module, rng: random.Random) -> dict[str, Tensor]:
        """The loss of one batch of new documents."""
        ids = pad_sequence(
            [torch.tensor(encode(self.tokens, document(rng))) for _ in range(self.batch)],
            batch_first=True,
            padding_value=_PAD,
        )
        return {"text": model(input_ids=ids, labels=ids.masked_fill(ids == _PAD, -100)).loss}

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
            if with_pictures:
                parts = [p for text, scene in zip(texts, scenes, strict=True) for p in (text, alternative_text(scene))]
                before = parts[:-1]
            else:
                before = [" ".join(texts)]
            prompt = encode(self.tokens, before)
            answer = self.tokens.encode(alternative_text(scenes[-1]))
            logits = model(input_ids=torch.tensor([[*prompt, *answer]])).logits[0]
            right = logits[len(prompt) - 1 : -1].argmax(-1) == torch.tensor(answer)
            hits["thing"].append(float(right[1:3].all()))
            hits["position"].append(float(right[3:-1].all()))
            hits["background"].append(float(right[-1]))
        return {name: sum(values) / len(values) for name, values in hits.items()}


def encode(tokens: LanguageTokens, segments: Sequence[str]) -> list[int]:
    """The ids of a prompt's segments, with BOS before the first segment that stands for no picture (protocol 1.11)."""
    ids: list[int] = []
    begun = False
    for segment in segments:
        if not begun and not isinstance(segment, Alternative):
            ids.append(tokens.bos)
            begun = True
        ids += tokens.encode(segment)
    return ids
