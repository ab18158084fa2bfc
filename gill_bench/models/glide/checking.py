"""What can be known before the weights load: files, sizes, keys and shapes."""

from __future__ import annotations

from pathlib import Path

from gill_bench.models.glide.files import NAMES, check_words, find_checkpoint
from gill_bench.models.glide.sizes import read_sizes


def check_weights(checkpoint: Path, tokenizer: Path) -> None:
    """Check both components.

    Args:
        checkpoint: Folder with `base.pt` and `upsample.pt`, and `glide.json` if they are not of the official sizes.
        tokenizer: Folder with the files of GPT-2's tokenizer.

    Raises:
        InputError: Names the file, and the keys.
    """
    # First what takes no time: torch is imported for the keys alone.
    files = {name: find_checkpoint(checkpoint, name) for name in NAMES}
    sizes = read_sizes(checkpoint)
    check_words(tokenizer, sizes.text.vocabulary)

    from gill_bench.models.glide.checkpoint import account, empty_network, read_tensors

    for name, file in files.items():
        account(file, read_tensors(file), empty_network(sizes, name))
