"""Checks of GLIDE's folders before its weights load: files, sizes, keys and shapes."""

from __future__ import annotations

from pathlib import Path

from gill_bench.models.glide.files import NAMES, check_tokenizer_files, find_checkpoint
from gill_bench.models.glide.sizes import read_sizes


def check_weights(checkpoint: Path, tokenizer: Path) -> None:
    """Check both components.

    Args:
        checkpoint: Folder with `base.pt` and `upsample.pt`, and with `glide.json` if they are not of the official
            sizes.
        tokenizer: Folder with the files of GPT-2's tokenizer.

    Raises:
        InputError: Names the file, and the keys.
    """
    # The quick checks come first: torch is imported for the keys alone.
    for name in NAMES:
        find_checkpoint(checkpoint, name)
    sizes = read_sizes(checkpoint)
    check_tokenizer_files(tokenizer, sizes.text.vocabulary)

    from gill_bench.models.glide.checkpoint import read_network

    for name in NAMES:
        read_network(checkpoint, name, sizes)
