"""Texts for programs that read one text on each line."""

from __future__ import annotations


def one_line(text: str) -> str:
    r"""A text in which a space replaces each line break of any kind that `str.splitlines` knows.

    Halves of surrogate pairs, which JSON can carry and UTF-8 cannot, are dropped.

    >>> one_line("a cat\r\non\u2028a mat\n")
    'a cat on a mat'
    """
    return " ".join(text.splitlines()).encode(errors="ignore").decode()
