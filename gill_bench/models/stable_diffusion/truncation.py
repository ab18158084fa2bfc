"""Which prompts a pipeline cut: seen where it tokenises them, so that every rule of every pipeline is in it.

Each pipeline has limits of its own (77 tokens of CLIP, 120, 256, 300 or 512 of T5 or Gemma, some with an instruction
before the prompt), and some read a prompt with several encoders. What counts is what they really ask their tokenizers
for. A prompt is cut if none of its encoders reads all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gill_bench.models.diffusers.folder import TOKENIZERS


class Watch:
    """A tokenizer, and whether it cut each text that it was first given to cut: later ones are negative prompts.

    Args:
        tokenizer: Of the pipeline; everything but calls goes to it as it is.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.__dict__.update(watched=tokenizer, cut=None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.watched, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.watched, name, value)

    def __len__(self) -> int:
        return len(self.watched)

    def __call__(self, text: str | Sequence[str], *arguments: Any, **options: Any) -> Any:
        """Tokenise, and note what was cut."""
        if options.get("truncation") and self.cut is None:
            texts = [text] if isinstance(text, str) else list(text)
            limit = options.get("max_length") or self.watched.model_max_length
            special = options.get("add_special_tokens", True)
            whole = self.watched(texts, add_special_tokens=special, truncation=False, padding=False, verbose=False)
            self.__dict__["cut"] = [len(ids) > limit for ids in whole["input_ids"]]
        return self.watched(text, *arguments, **options)


@contextmanager
def watched(pipeline: Any) -> Iterator[list[Watch]]:
    """Watch the tokenizers of a pipeline; one call of it inside."""
    tokenizers = {name: getattr(pipeline, name, None) for name in TOKENIZERS}
    watches = {name: Watch(tokenizer) for name, tokenizer in tokenizers.items() if tokenizer is not None}
    try:
        for name, watch in watches.items():
            # Not as an attribute is set: that of a pipeline also changes the config that it is saved with.
            pipeline.__dict__[name] = watch
        yield list(watches.values())
    finally:
        for name in watches:
            pipeline.__dict__[name] = tokenizers[name]


def cut_by_all(watches: Sequence[Watch], count: int) -> list[bool]:
    """For each of `count` prompts of a call, whether every tokenizer that was asked cut it.

    Raises:
        ValueError: No tokenizer was asked for as many texts: the pipeline reads prompts in a way that is not known.
    """
    asked = [watch.cut for watch in watches if watch.cut is not None]
    if not asked or any(len(cut) != count for cut in asked):
        raise ValueError(f"tokenizers were asked for {[len(cut) for cut in asked]} texts, expected {count}")
    return [all(cuts) for cuts in zip(*asked, strict=True)]
