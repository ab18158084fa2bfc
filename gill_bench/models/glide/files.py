"""The files of checkpoint and tokenizer: finding them, and checking them without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from gill_bench.errors import InputError, first_line
from gill_bench.storage.reading import read_json
from gill_bench.weights.tensor_files import check_weight_file

Name = Literal["base", "upsample"]
NAMES: tuple[Name, ...] = ("base", "upsample")
"""Names of the networks' files, as released, without the suffix."""
_EXPECTED = "GLIDE's base.pt and upsample.pt"
_SUFFIXES = (".pt", ".safetensors")
_TOKENIZER_FILES = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))
"""Names of the files with vocabulary and merges: those on the hub, and those released with GPT-2."""
_END = "<|endoftext|>"


def find_checkpoint(folder: Path, name: Name) -> Path:
    """A network's file in a folder: as released, or as safetensors.

    Raises:
        InputError: The file is missing, empty or cut off.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected {_EXPECTED} in it")
    file = next((folder / (name + suffix) for suffix in _SUFFIXES if (folder / (name + suffix)).is_file()), None)
    if file is None:
        raise InputError(f"{folder}: has no {name}.pt; expected {_EXPECTED}")
    check_weight_file(file)
    return file


def find_tokenizer_files(folder: Path) -> tuple[Path, Path]:
    """The files of vocabulary and merges in a folder.

    Raises:
        InputError: The folder does not have both files.
    """
    for vocabulary, merges in _TOKENIZER_FILES:
        if (folder / vocabulary).is_file() and (folder / merges).is_file():
            return folder / vocabulary, folder / merges
    wanted = " or ".join(" and ".join(pair) for pair in _TOKENIZER_FILES)
    raise InputError(f"{folder}: expected GPT-2's tokenizer: {wanted}")


def check_tokenizer_files(folder: Path, vocabulary: int) -> None:
    """Check that a tokenizer has as many entries as the networks have embeddings.

    Raises:
        InputError: Files are missing or damaged, or are those of another tokenizer.
    """
    file, merges = find_tokenizer_files(folder)
    entries = read_json(file)
    ids = [value for value in entries.values() if isinstance(value, int)]
    if sorted(ids) != list(range(vocabulary)):
        raise InputError(
            f"{file}: {len(entries)} entries, but the networks know the ids 0 to {vocabulary - 1}; GLIDE reads with"
            " GPT-2's tokenizer"
        )
    try:
        lines = merges.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{merges}: cannot be read: {first_line(error)}") from error
    merged = {line.replace(" ", "") for line in lines}
    lost = [token for token in entries if len(token) > 1 and token not in merged and token != _END]
    if lost:
        # Otherwise texts would silently be split into other tokens than in the networks' training.
        raise InputError(f"{merges}: no merge gives {len(lost)} of the tokens of {file.name}, such as {lost[0]!r}")
