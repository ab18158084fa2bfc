"""Any text is written as a single line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gill_bench.metrics.functional.captions.tokenizer import one_line

SEPARATORS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


@given(st.text(st.one_of(st.sampled_from(SEPARATORS), st.characters()), max_size=30))
def test_any_text_becomes_one_line_that_can_be_encoded(text: str) -> None:
    line = one_line(text)
    assert not set(line) & set(SEPARATORS)
    assert line.encode().decode() == line


@given(st.text(st.characters(exclude_characters=SEPARATORS, codec="utf-8")))
def test_text_without_separators_stays_as_it_is(text: str) -> None:
    assert one_line(text) == text


def test_separators_become_spaces_and_half_characters_vanish() -> None:
    assert one_line("a\u2028b\rc\r\nd\ve") == "a b c d e"
    assert one_line("a \ud83d cat\udc00") == "a  cat"
