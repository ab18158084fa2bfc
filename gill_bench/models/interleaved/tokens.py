"""OPT's tokenizer, with `<|image|>` and then the tokens that stand for a picture as the last ids.

These are `[IMG0]`..`[IMG{r-1}]` in GILL (protocol 1.2) and `[RET]` in FROMAGe (protocol 4).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from gill_bench.errors import InputError
from gill_bench.models.literal import literal
from gill_bench.storage.reading import read_json
from gill_bench.weights.loading import read_part

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class LanguageTokens:
    """Tokenises texts, and decodes ids.

    Args:
        tokenizer: OPT's tokenizer, with or without the additions.
        names: Names of the tokens to add; if there are none, not even `<|image|>` is added.
        where: Name of the tokenizer's folder, for errors.

    Attributes:
        image_ids: Ids of the added tokens, which together stand for a picture.
        size: Number of tokens, the additions included.

    Raises:
        InputError: The tokenizer has no BOS, or the added tokens do not get the last ids.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, names: Sequence[str], where: str) -> None:
        self._tokenizer = tokenizer
        self._where = where
        self.names = list(names)
        if names:
            tokenizer.add_special_tokens({"cls_token": "<|image|>"})
        for name in self.names:
            # Added one at a time and not as special tokens, as the authors do: decoding would drop special tokens.
            tokenizer.add_tokens(name)
        self.size = len(tokenizer)
        self._markers = re.compile("|".join(map(re.escape, self.names)) if self.names else r"(?!)")
        self.image_ids = self._ids("".join(self.names))
        expected = list(range(self.size - len(names), self.size))
        if self.image_ids != expected:
            raise InputError(
                f"{where}: {' '.join(self.names)} have the ids {self.image_ids}, expected the last ones, {expected}:"
                " this tokenizer has other additions"
            )
        self.bos = self._find_bos(where)

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without BOS. A picture's token that is written out in the text is read as ordinary text."""
        # The tokenizer has a word boundary after the bracket that a name begins with: cut there, no name is left.
        cuts = [0, *(match.start() + 1 for match in self._markers.finditer(text)), len(text)]
        return [token for start, end in pairwise(cuts) for token in self._ids(text[start:end])]

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, without special tokens (BOS, padding), but with the added ones."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    @cached_property
    def newline(self) -> int:
        """The first id of a newline.

        Raises:
            InputError: The tokenizer has no newline.
        """
        ids = self.encode("\n")
        if not ids:
            raise InputError(f"{self._where}: this tokenizer has no newline; expected the files of OPT's tokenizer")
        return ids[0]

    def _find_bos(self, where: str) -> int:
        """The id that the tokenizer puts before a text, or would put there.

        Not every layout of the files makes the library prepend BOS, so this class always does it (protocol 1.16).
        """
        plain = self.encode("a")
        with_special: list[int] = self._tokenizer("a")["input_ids"]
        if len(with_special) == len(plain) + 1 and with_special[1:] == plain:
            return with_special[0]
        bos = self._tokenizer.bos_token_id
        if not isinstance(bos, int):
            raise InputError(f"{where}: this tokenizer has no BOS token; expected the files of OPT's tokenizer")
        return bos


def load_tokens(folder: Path, num_tokens: int) -> LanguageTokens:
    """Load the tokenizer of an OPT folder with GILL's additions, r [IMG] tokens."""
    return LanguageTokens(load_tokenizer(folder), [f"[IMG{number}]" for number in range(num_tokens)], str(folder))


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer of an OPT or CLIP; it reads control tokens in texts as text (`models.literal`).

    Raises:
        InputError: Files are missing or damaged, or the tokenizer has more tokens than the model in the same folder has
            embeddings.
    """
    from transformers import AutoTokenizer

    tokenizer: PreTrainedTokenizerBase = read_part(AutoTokenizer, folder, "tokenizer")
    file = folder / "config.json"
    config = read_json(file) if file.is_file() else {}  # missing while the embedded OPT is being trained
    rows = config.get("text_config", config).get("vocab_size")
    # `vocab_size` leaves out tokens that the folder's files add: [IMG7] of OPT-6.7b lies beyond its table's end.
    if isinstance(rows, int) and tokenizer.vocab_size > rows:
        raise InputError(
            f"{folder}: its tokenizer has {tokenizer.vocab_size} tokens, but its config.json {rows} embeddings:"
            " the files are of different models"
        )
    return literal(tokenizer)
