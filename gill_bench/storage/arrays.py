"""Arrays in NumPy's `.npy` format, read in any thread.

One lock is held while an array is read. NumPy parses a file's header with `ast.literal_eval`, and CPython before 3.13
counts the depth of that in one number for all threads: two headers parsed at once can raise a `SystemError`
("AST constructor recursion depth mismatch").
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PARSING = Lock()


def read_array(opened: BinaryIO) -> NDArray[Any]:
    """Read an array from the start of an open `.npy` file; archives and pickles are refused.

    Raises:
        ValueError: The file is cut off, is not in this format, or holds Python objects.
    """
    from numpy.lib import format

    with _PARSING:
        array: NDArray[Any] = format.read_array(opened, allow_pickle=False)
    return array


def map_array(file: Path) -> np.memmap[Any, Any]:
    """Map a `.npy` file into memory without reading it, to be read only.

    Raises:
        OSError: The file cannot be opened.
        ValueError: As `read_array`.
    """
    from numpy.lib import format

    with _PARSING:
        return format.open_memmap(file, mode="r")
