"""OPT's tokenizer with GILL's additions: `<|image|>`, then `[IMG0]`..`[IMG{r-1}]` as the last ids (protocol 1.2)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gill_bench.checkpoints import first_line
from gill_bench.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Tokens:
    """Text to ids and back.

    Args:
        tokenizer: Of OPT, with or without the additions.
        num_tokens: [IMG] tokens, r.
        where: Named in errors.

    Raises:
        InputError: It has no BOS, or the [IMG] tokens do not come out as the last ids.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, num_tokens: int, where: str) -> None:
        self._tokenizer = tokenizer
        tokenizer.add_special_tokens({"cls_token": "<|image|>"})
        self.names = [f"[IMG{place}]" for place in range(num_tokens)]
        for name in self.names:
            # One at a time and not special, as the authors do; special tokens would vanish when decoding.
            tokenizer.add_tokens(name)
        self.size = len(tokenizer)
        self.image_ids = self.encode("".join(self.names))
        expected = list(range(self.size - num_tokens, self.size))
        if self.image_ids != expected:
            raise InputError(
                f"{where}: the tokens {self.names[0]}..{self.names[-1]} have the ids {self.image_ids}, expected the"
                f" last ones, {expected[0]}..{expected[-1]}: this tokenizer has other additions"
            )
        self.bos = self._find_bos(where)

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without BOS."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids; special tokens (BOS, padding) are left out, [IMG] tokens are not."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    @cached_property
    def newline(self) -> int:
        """The first id of a newline."""
        return self.encode("\n")[0]

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


def load_tokens(folder: Path, num_tokens: int) -> Tokens:
    """Load the tokenizer of an OPT folder: vocab.json and merges.txt, or tokenizer.json.

    Raises:
        InputError: Files are missing or damaged, or not of OPT's tokenizer.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        # The tokenizers library raises bare Exception for damaged files.
        raise InputError(f"{folder}: its tokenizer cannot be loaded: {first_line(error)}") from error
    return Tokens(tokenizer, num_tokens, str(folder))
