"""Made-up captions with every kind of token, and a shell script in the place of Java."""

from __future__ import annotations

import random
from pathlib import Path

PIECES = [
    "U.S.",
    "etc.",
    "Mr.",
    "St.",
    "No.",
    "I.",
    "S.",
    "K.",
    "a.m.",
    "'s",
    "o'clock",
    "'90s",
    "'",
    '"',
    "``",
    "''",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "<",
    ">",
    "<b>",
    "<!--",
    "-->",
    "&#10;",
    "&nbsp;",
    "&lt;",
    "1,000",
    "3",
    "1/2",
    "$5",
    "50%",
    "10:30",
    "...",
    ".",
    "?",
    "!",
    "?!",
    "-",
    "--",
    "—",
    "–",
    ",",
    ":",
    ";",
    "C++",
    "AT&T",
    "e-mail",
    "don't",
    "cannot",
    "gonna",
    "|||",
    "|",
    "http://x.y/z?",
    "@me",
    "#tag",
    "😀",
    "é",
    "é",
    "日本語",
    "ß",
    "İ",
    "½",
    "“",
    "”",
    "‘",
    "’",
    "\\n",
    "The",
    "a",
    "A",
    "-LRB-",
    "\ufeff",
    "\u200b",
    "\xad",
    "�",
]


NASTY = ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029", "\x00", "\t", "\xa0", "\u3000", "\ud83d"]


def made_up_captions(number: int, seed: int, nasty: bool = True) -> list[str]:
    """Make up to `number` different texts from random pieces, with separators and half characters if `nasty`."""
    generator = random.Random(seed)
    pieces = PIECES + NASTY if nasty else PIECES
    texts = (
        generator.choice([" ", ""]).join(generator.choices(pieces, k=generator.randrange(8))) for _ in range(number)
    )
    return list(dict.fromkeys(texts))


def write_java(folder: Path, script: str) -> Path:
    """Write a shell script under the name `java` into a new folder, and return its path."""
    folder.mkdir(parents=True)
    java = folder / "java"
    java.write_text(f"#!/bin/sh\n{script}\n")
    java.chmod(0o755)
    return java
