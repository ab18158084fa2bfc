"""What can be known before the large weights load: files, arguments, and whether all sizes fit together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gill_bench.models.fromage.arguments import read_arguments
from gill_bench.models.interleaved.checking import check_language_files, check_visual_files, check_widths, components
from gill_bench.models.interleaved.configs import language_sizes, vision_width


def check_weights(weights: Mapping[str, Path]) -> None:
    """Check the files of all components; reads JSON files and the small checkpoint.

    Args:
        weights: Local folder by component.

    Raises:
        InputError: Names file, and field or key.
    """
    checkpoint, llm, encoder = components(weights)
    # First what takes no time: torch is imported only by the checkpoint's own reader.
    arguments = read_arguments(checkpoint)
    check_widths(arguments, checkpoint, llm, encoder)
    check_language_files(llm)
    check_visual_files(encoder)

    from gill_bench.models.fromage.checkpoint import MODEL, account, empty_heads
    from gill_bench.models.fromage.network import FromageSizes
    from gill_bench.models.gill.checkpoint import find_checkpoint, read_tensors

    file = find_checkpoint(checkpoint, MODEL)
    sizes = FromageSizes(
        language_sizes(llm).width, vision_width(encoder), arguments.n_visual_tokens, arguments.shared_emb_dim
    )
    account(file, read_tensors(file), empty_heads(sizes))
