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
from gill_bench.weights.checkpoints import first_line, read_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class LanguageTokens:
    """Text to ids and back.

    Args:
        tokenizer: Of OPT, with or without the additions.
        names: Of the added tokens; with none, nothing is added at all.
        where: Named in errors.

    Attributes:
        image_ids: Of the added tokens, which stand for a picture.
        size: Tokens, the additions included.

    Raises:
        InputError: It has no BOS, or the added tokens do not come out as the last ids.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, names: Sequence[str], where: str) -> None:
        self._tokenizer = tokenizer
        self._where = where
        self.names = list(names)
        if names:
            tokenizer.add_special_tokens({"cls_token": "<|image|>"})
        for name in self.names:
            # One at a time and not special, as the authors do; special tokens would vanish when decoding.
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
        """Ids of a text, without BOS. The names of tokens that stand for a picture are text in it like any other."""
        # A word boundary of the tokenizer lies behind the bracket that a name begins with: cut there, no name is left.
        cuts = [0, *(match.start() + 1 for match in self._markers.finditer(text)), len(text)]
        return [token for start, end in pairwise(cuts) for token in self._ids(text[start:end])]

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids; special tokens (BOS, padding) are left out, added ones are not."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    @cached_property
    def newline(self) -> int:
        """The first id of a newline.

        Raises:
            InputError: The tokenizer has none.
        """
        ids = self.encode("\n")
        if not ids:
            raise InputError(f"{self._where}: this tokenizer has no newline; expected the files of OPT's tokenizer")
        return ids[0]

    def _find_bos(self, where: str) -> int:
        """The id that the tokenizer puts before a text, or would put there.

        Not every layout of the files makes the library prepend it, so it is never left to the library (protocol 1.16).
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
    """Load the tokenizer of an OPT folder with GILL's additions.

    Args:
        folder: Has vocab.json and merges.txt, or tokenizer.json.
        num_tokens: [IMG] tokens, r.

    Raises:
        InputError: Files are missing or damaged, or not of OPT's tokenizer.
    """
    return LanguageTokens(load_tokenizer(folder), [f"[IMG{place}]" for place in range(num_tokens)], str(folder))


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a folder of OPT or CLIP as it is, but for control tokens in texts (`models.literal`).

    Raises:
        InputError: Files are missing or damaged, or it has more tokens than the model beside it has embeddings.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        # The tokenizers library raises bare Exception for damaged files.
        raise InputError(f"{folder}: its tokenizer cannot be loaded: {first_line(error)}") from error
    file = folder / "config.json"
    config = read_json(file) if file.is_file() else {}  # while OPT is trained, it has none yet
    rows = config.get("text_config", config).get("vocab_size")
    # Without additions, which may be there already: [IMG7] of OPT-6.7b lies behind its table's end.
    if isinstance(rows, int) and tokenizer.vocab_size > rows:
        raise InputError(
            f"{folder}: its tokenizer has {tokenizer.vocab_size} tokens, but its config.json {rows} embeddings:"
            " the files are of different models"
        )
    return literal(tokenizer)
