"""The tokeniser of the COCO caption evaluation: Stanford CoreNLP 3.4.1 (PTB), lower case, without punctuation.

Equal to `PTBTokenizer` of pycocoevalcap 1.2, but for what breaks there: a caption with a carriage return or another
line separator shifts all that follow to the wrong picture, and a temporary file is written into site-packages. Here
captions go through a pipe, and each must come out at its place.

Of a full stop after an abbreviation or a single letter ("on 12th Ave S.", "on top of a."), the jar decides by the
first word of the *next* line whether it ends a sentence, and goes, or stays with the letter: there, the original's
tokens of a caption depend on its neighbour. Here each is followed by a line that begins as most captions do, and
depends on nothing. For all 25,014 captions of COCO val2017 in their order the tokens are the same.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence

from gill_bench.errors import GillBenchError
from gill_bench.metrics.functional.captions.java import LOCALE, jar, require_java
from gill_bench.metrics.functional.captions.lines import one_line

# The brackets are never met: text is in lower case when they are looked for. So it is in the original.
PUNCTUATION = frozenset(
    ["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";"]
)
_NEXT, _NEXT_TOKENS = "A", "a"
_SECONDS = 600  # tens of thousands of captions take one
_MOST_CACHED = 1 << 19  # references of a few data sets, about 100 MB


def tokenise(texts: Sequence[str]) -> list[str]:
    """Tokens of each text, joined by single spaces; one start of Java a call, however many texts.

    Emoji and other signs unknown to the tokeniser vanish. A text of punctuation gives "".

    Raises:
        InputError: There is no Java.
        GillBenchError: The tokeniser failed.
    """
    if not texts:
        return []
    archive = jar("pycocoevalcap.tokenizer.ptbtokenizer", "stanford-corenlp-3.4.1.jar")
    main = ("edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase")
    command = [require_java(), *LOCALE, "-cp", str(archive), *main]
    given = "".join(f"{one_line(text)}\n{_NEXT}\n" for text in texts)
    try:
        done = subprocess.run(  # noqa: S603 - the user's own Java
            command, input=given.encode(), capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise GillBenchError(f"tokenising {len(texts)} captions took over {_SECONDS} s, and was stopped") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-500:]
        raise GillBenchError(f"tokenising {len(texts)} captions failed, exit code {done.returncode}: {said}")
    # Not splitlines: the tokeniser may let a separator of another kind through, inside of a token.
    lines = [line.rstrip("\r") for line in done.stdout.decode().split("\n")]
    captions, between = lines[0 : 2 * len(texts) : 2], lines[1 : 2 * len(texts) : 2]
    if lines[2 * len(texts) :] != [""] or between != [_NEXT_TOKENS] * len(texts):
        raise GillBenchError(
            f"tokenising {len(texts)} captions gave lines that do not belong to them; please report this"
        )
    return [" ".join(word for word in line.rstrip().split(" ") if word not in PUNCTUATION) for line in captions]


class TokenCache:
    """Tokens of texts that come again: references, which all models share. Keyed by the text itself."""

    def __init__(self) -> None:
        self._tokens: dict[str, str] = {}

    def tokenise(self, known: Iterable[str], passing: Sequence[str]) -> tuple[dict[str, str], list[str]]:
        """Tokens of texts to be kept, by text, and of texts that are not; in one call of the tokeniser."""
        tokens = {text: self._tokens.get(text) for text in known}
        new = [text for text, found in tokens.items() if found is None]
        found = tokenise([*new, *passing])
        added = dict(zip(new, found, strict=False))
        if len(self._tokens) + len(added) > _MOST_CACHED:
            self._tokens = {}
        self._tokens.update(added)
        return {text: added[text] if value is None else value for text, value in tokens.items()}, found[len(new) :]
