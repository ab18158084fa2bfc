"""Which prompts a pipeline cut, observed in the calls of its tokenizers.

Each pipeline has limits of its own (77 tokens of CLIP, 120, 256, 300 or 512 of T5 or Gemma, some with an instruction
before the prompt), and some read a prompt with several encoders. Instead of repeating these rules, this module watches
with which limit a pipeline calls its tokenizers. A prompt counts as cut if none of the encoders reads all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gill_bench.models.diffusers.folder import TOKENIZERS


class Watch:
    """Wraps a tokenizer and records which texts its first call with truncation cuts; later calls are negative prompts.

    Args:
        tokenizer: A tokenizer of the pipeline; everything but calls is passed on to it unchanged.
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
        """Tokenise texts, and record which of them were cut."""
        if options.get("truncation") and self.cut is None:
            texts = [text] if isinstance(text, str) else list(text)
            limit = options.get("max_length") or self.watched.model_max_length
            special = options.get("add_special_tokens", True)
            whole = self.watched(texts, add_special_tokens=special, truncation=False, padding=False, verbose=False)
            self.__dict__["cut"] = [len(ids) > limit for ids in whole["input_ids"]]
        return self.watched(text, *arguments, **options)


@contextmanager
def watched(pipeline: Any) -> Iterator[list[Watch]]:
    """Watch the tokenizers of a pipeline during one call of the pipeline."""
    tokenizers = {name: getattr(pipeline, name, None) for name in TOKENIZERS}
    watches = {name: Watch(tokenizer) for name, tokenizer in tokenizers.items() if tokenizer is not None}
    try:
        for name, watch in watches.items():
            # Setting the attribute of a pipeline would also change the config that the pipeline is saved with.
            pipeline.__dict__[name] = watch
        yield list(watches.values())
    finally:
        for name in watches:
            pipeline.__dict__[name] = tokenizers[name]


def cut_by_all(watches: Sequence[Watch], count: int) -> list[bool]:
    """For each of `count` prompts of a call, whether every tokenizer that was called cut it.

    Raises:
        ValueError: No tokenizer was called, or one with another number of texts: how the pipeline reads is not known.
    """
    called = [watch.cut for watch in watches if watch.cut is not None]
    if not called or any(len(cut) != count for cut in called):
        raise ValueError(f"tokenizers were called with {[len(cut) for cut in called]} texts, expected {count}")
    return [all(cuts) for cuts in zip(*called, strict=True)]
