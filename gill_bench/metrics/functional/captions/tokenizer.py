"""The tokeniser of the COCO caption evaluation: Stanford CoreNLP 3.4.1 (PTB), lower case, without punctuation.

The tokens are those of pycocoevalcap 1.2's `PTBTokenizer`. That class is not called because a caption with a carriage
return or another line separator shifts all following captions to the wrong picture, and because it writes a temporary
file into site-packages. Here captions go through a pipe, and each caption must come out at its own position.

After an abbreviation or a single letter ("on 12th Ave S.", "on top of a."), the jar reads the first word of the *next*
line to decide whether a full stop ends the sentence and is removed, or stays with the letter. So the original's tokens
of a caption depend on the caption after it. Here each caption is followed by a line that begins as most captions do, so
that its tokens depend on nothing else. For all 25,014 captions of COCO val2017, in order, the tokens are the same.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence

from gill_bench.errors import GillBenchError
from gill_bench.metrics.functional.captions.java import LOCALE, jar, require_java

# The brackets never occur, because the text is in lower case by then; the original lists them all the same.
PUNCTUATION = frozenset(
    ["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";"]
)
_NEXT, _NEXT_TOKENS = "A", "a"
_SECONDS = 600  # tens of thousands of captions take one second
_MOST_CACHED = 1 << 19  # texts: the references of a few data sets, about 100 MB


def tokenise(texts: Sequence[str]) -> list[str]:
    """Tokens of each text, joined by single spaces. Each call starts Java once, for all texts.

    Emoji and other signs that the tokeniser does not know vanish. A text of punctuation alone gives "".

    >>> tokenise(["A dog's ball, on the beach!"])
    ["a dog 's ball on the beach"]

    Raises:
        InputError: Java or the jar is missing.
        GillBenchError: The tokeniser failed.
    """
    if not texts:
        return []
    archive = jar("pycocoevalcap.tokenizer.ptbtokenizer", "stanford-corenlp-3.4.1.jar")
    main = ("edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase")
    command = [require_java(), *LOCALE, "-cp", str(archive), *main]
    lines_in = "".join(f"{one_line(text)}\n{_NEXT}\n" for text in texts)
    try:
        process = subprocess.run(  # noqa: S603 - the user's own Java
            command, input=lines_in.encode(), capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise GillBenchError(f"tokenising {len(texts)} captions took over {_SECONDS} s, and was stopped") from error
    if process.returncode:
        said = process.stderr.decode(errors="replace").strip()[-500:]
        raise GillBenchError(f"tokenising {len(texts)} captions failed, exit code {process.returncode}: {said}")
    # `splitlines` would be wrong: a token may contain a line separator of another kind.
    lines = [line.rstrip("\r") for line in process.stdout.decode().split("\n")]
    captions, between = lines[0 : 2 * len(texts) : 2], lines[1 : 2 * len(texts) : 2]
    if lines[2 * len(texts) :] != [""] or between != [_NEXT_TOKENS] * len(texts):
        raise GillBenchError(
            f"tokenising {len(texts)} captions gave lines that do not belong to them; please report this"
        )
    return [" ".join(word for word in line.rstrip().split(" ") if word not in PUNCTUATION) for line in captions]


class TokenCache:
    """A cache of the tokens of texts that occur again, such as references, which all models share."""

    def __init__(self) -> None:
        self._tokens: dict[str, str] = {}

    def tokenise(self, known: Iterable[str], passing: Sequence[str]) -> tuple[dict[str, str], list[str]]:
        """Tokenise texts whose tokens are kept (`known`) and texts whose tokens are not (`passing`), in one call.

        Returns:
            Tokens of the known texts by text, and tokens of the passing texts in order.
        """
        tokens = {text: self._tokens.get(text) for text in known}
        new = [text for text, cached in tokens.items() if cached is None]
        tokenised = tokenise([*new, *passing])
        added = dict(zip(new, tokenised, strict=False))
        if len(self._tokens) + len(added) > _MOST_CACHED:
            self._tokens = {}
        self._tokens.update(added)
        return {text: added[text] if value is None else value for text, value in tokens.items()}, tokenised[len(new) :]


def one_line(text: str) -> str:
    r"""A text in which a space replaces each line break of any kind that `str.splitlines` knows.

    Halves of surrogate pairs, which JSON can carry and UTF-8 cannot, are dropped.

    >>> one_line("a cat\r\non\u2028a mat\n")
    'a cat on a mat'
    """
    return " ".join(text.splitlines()).encode(errors="ignore").decode()
