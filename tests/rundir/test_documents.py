"""`docs/run-directory.md` says what the records say."""

from __future__ import annotations

from tests.support.run_directory import DOCUMENT, document


def test_the_document_of_the_run_directory_is_made_from_the_records() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document()
