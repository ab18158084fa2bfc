"""Byte-level BPE tokenizers for the mini weights, trained and written in the files that OPT and CLIP ship.

The training is written here, in a few lines, so that equal texts give equal bytes with every version of every library.
Each writer learns at most `merges` merges from texts, writes into a folder that exists, and returns the size of the
vocabulary.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count, pairwise
from pathlib import Path

_HEADER = "#version: 0.2"
_END = "</w>"
_ASCII = (ord("\n"), *range(32, 127))


def write_opt_tokenizer(folder: Path, texts: Sequence[str], merges: int) -> int:
    """Write OPT's tokenizer files: `<s>` 0, `<pad>` 1, `</s>` 2 (beginning and end of a text), `<unk>` 3."""
    words = Counter(word for text in texts for word in _words(text))
    pairs = learn_merges({tuple(word): times for word, times in words.items()}, merges)
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *sorted(_byte_characters()), *("".join(pair) for pair in pairs)]
    _write_bpe(folder, tokens, pairs)
    special = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>"}
    described = {name: _added(token) for name, token in special.items()}
    _write_json(folder / "special_tokens_map.json", described)
    configuration = {
        **{name: {"__type": "AddedToken", **value} for name, value in described.items()},
        "errors": "replace",
        "add_prefix_space": False,
        "add_bos_token": True,
        "tokenizer_class": "GPT2Tokenizer",
    }
    _write_json(folder / "tokenizer_config.json", configuration)
    return len(tokens)


def write_clip_tokenizer(folder: Path, texts: Sequence[str], merges: int, context: int) -> int:
    """Write CLIP's tokenizer files; the last two ids are `<|startoftext|>` and `<|endoftext|>`, which also pads.

    `context` is the number of tokens that the text encoder reads.
    """
    words = Counter(word.strip() for text in texts for word in re.findall(r"[a-z]+|[^\sa-z]+", text.lower()))
    pairs = learn_merges({(*word[:-1], word[-1] + _END): times for word, times in words.items()}, merges)
    characters = sorted(_byte_characters())
    tokens = [*characters, *(character + _END for character in characters), *("".join(pair) for pair in pairs)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    _write_bpe(folder, tokens, pairs)
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    described: dict[str, object] = {name: _added(token) for name, token in special.items()}
    _write_json(folder / "special_tokens_map.json", {**described, "pad_token": "<|endoftext|>"})
    configuration = {
        **special,
        "pad_token": "<|endoftext|>",
        "errors": "replace",
        "do_lower_case": True,
        "model_max_length": context,
        "tokenizer_class": "CLIPTokenizer",
    }
    _write_json(folder / "tokenizer_config.json", configuration)
    return len(tokens)


def write_gpt2_tokenizer(folder: Path, texts: Sequence[str], merges: int) -> int:
    """Write vocabulary and merges in the files of GPT-2's tokenizer; the last id is `<|endoftext|>`.

    Each entry of the vocabulary costs a row of weights in each network that uses it. Therefore only the bytes of
    lower-case ASCII are entries, and the tokenizer leaves out all other characters of a text. GLIDE reads lower case.
    """
    words = Counter(word for text in texts for word in _words(text.lower()))
    pairs = learn_merges({tuple(word): times for word, times in words.items()}, merges)
    alphabet = _byte_characters()
    characters = sorted(alphabet[ord(character)] for character in map(chr, _ASCII) if character == character.lower())
    tokens = [*characters, *("".join(pair) for pair in pairs), "<|endoftext|>"]
    _write_bpe(folder, tokens, pairs)
    return len(tokens)


def learn_merges(words: dict[tuple[str, ...], int], limit: int) -> list[tuple[str, str]]:
    """Learn merges: the most frequent pair of neighbours first, ties in alphabetical order (Sennrich et al. 2016).

    >>> learn_merges({("a", "b", "c"): 2, ("a", "b"): 1}, 9)
    [('a', 'b'), ('ab', 'c')]
    """
    merges: list[tuple[str, str]] = []
    while len(merges) < limit:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, times in words.items():
            for pair in pairwise(word):
                pairs[pair] += times
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = {_merged(word, best): times for word, times in words.items()}
    return merges


def _merged(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    parts: list[str] = []
    for part in word:
        if parts and (parts[-1], part) == pair:
            parts[-1] += part
        else:
            parts.append(part)
    return tuple(parts)


def _words(text: str) -> Iterable[str]:
    """The words of a text, each with its leading space and written in the characters that stand for its bytes."""
    alphabet = _byte_characters()
    for word in re.findall(r" ?\w+| ?[^\s\w]+", text):
        yield "".join(alphabet[byte] for byte in word.encode())


def _byte_characters() -> list[str]:
    """The printable character that stands for each byte in GPT-2's and CLIP's vocabularies, by byte."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    substitutes = count(256)
    return [chr(byte if byte in printable else next(substitutes)) for byte in range(256)]


def _added(token: str) -> dict[str, object]:
    return {"content": token, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}


def _write_bpe(folder: Path, tokens: Sequence[str], pairs: Iterable[tuple[str, str]]) -> None:
    _write_json(folder / "vocab.json", {token: number for number, token in enumerate(tokens)})
    lines = [_HEADER, *(" ".join(pair) for pair in pairs)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _write_json(file: Path, value: object) -> None:
    file.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8", newline="\n")
