"""Loading what lies in a local folder: a network with all of its weights and no others, or a part without weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gill_bench.errors import InputError, first_line
from gill_bench.weights.checkpoints import (
    LOCAL_ONLY,
    check_complete,
    check_network_types,
    loader_options,
    quiet_loading,
)
from gill_bench.weights.network_files import Library
from gill_bench.weights.tensor_files import LOADING_ERRORS


def read_network(
    kind: Any,
    folder: Path,
    dtype: Any,
    library: Library = "transformers",
    *,
    variant: str = "",
    what: str = "",
    **more: Any,
) -> Any:
    """Load a network onto the CPU.

    Args:
        kind: Class with `from_pretrained`.
        folder: Local folder, as `save_pretrained` writes it; nothing else is read, and no code from it.
        dtype: Precision of all weights (a dtype of torch), whatever the files hold.
        library: The library that the class is of.
        variant: Precision in the names of the files that are read; "" for plain names.
        what: Name of such a network, for errors; "" for that of the class.
        **more: Further arguments of `from_pretrained`.

    Raises:
        InputError: Files are missing or damaged, lack a weight, or hold a weight of another shape, of another network
            or of whole numbers.
    """
    files = loader_options(folder, library, variant)
    # diffusers' own error names a weight of another shape; transformers' does not, but `check_complete` does.
    options: dict[str, Any] = (
        {"torch_dtype": dtype, "local_files_only": True}
        if library == "diffusers"
        else {"dtype": dtype, "ignore_mismatched_sizes": True, **LOCAL_ONLY}
    )
    try:
        # A network of transformers needs nothing of diffusers, whose import takes a second.
        with quiet_loading(*{library, "transformers"}):
            network, report = kind.from_pretrained(folder, output_loading_info=True, **options, **files, **more)
    except LOADING_ERRORS as error:
        raise InputError(f"{folder}: cannot be loaded as {what or kind.__name__}: {first_line(error)}") from error
    check_complete(report, folder, type(network).__name__)
    check_network_types(network, folder, library, variant)
    return network


def read_part(kind: Any, folder: Path, what: str, **more: Any) -> Any:
    """Load a tokenizer, a processor or a configuration.

    Args:
        kind: Class of transformers with `from_pretrained`.
        folder: Local folder; nothing else is read, and no code from it.
        what: Name of the part, for errors, such as "tokenizer".
        **more: Further arguments of `from_pretrained`.

    Raises:
        InputError: Files are missing or damaged.
    """
    try:
        with quiet_loading("transformers"):
            return kind.from_pretrained(folder, **LOCAL_ONLY, **more)
    except Exception as error:  # the tokenizers library raises bare Exception for damaged files
        raise InputError(f"{folder}: its {what} cannot be loaded: {first_line(error)}") from error
