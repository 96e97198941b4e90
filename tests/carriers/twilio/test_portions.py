"""Long texts in several messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.carriers.twilio.portions import MAX_BODY, portions


@pytest.mark.parametrize("body", ["", "Hi!", " as it is ", "x" * MAX_BODY])
def test_what_fits_is_one_message(body: str) -> None:
    """As it is."""
    assert portions(body) == [body]


def test_a_long_text_is_parted_between_words() -> None:
    """In order, no word is cut, and the spaces between two messages are in neither."""
    assert portions("one two three four", 9) == ["one two", "three", "four"]
    assert portions("one two\n\nthree", 8) == ["one two", "three"]
    assert portions("one two three", 7) == ["one two", "three"]
    assert portions("one     two", 5) == ["one", "two"]


def test_a_word_that_is_longer_than_a_message_is_cut() -> None:
    """An address, say: nothing of it is lost."""
    assert portions("go to " + "x" * 12, 5) == ["go to", "xxxxx", "xxxxx", "xx"]


def test_what_a_phone_counts_double_is_counted_so() -> None:
    """The carrier would refuse the message otherwise."""
    assert portions("\N{GRINNING FACE}" * 5, 4) == ["\N{GRINNING FACE}" * 2] * 2 + ["\N{GRINNING FACE}"]


@given(st.text(alphabet="ab \n\N{GRINNING FACE}", max_size=60), st.integers(2, 12))
def test_whatever_the_text_nothing_is_lost_and_nothing_too_long(body: str, most: int) -> None:
    """All but the spaces arrives, in order, in messages that are neither too long nor empty."""
    found = portions(body, most)
    assert "".join("".join(found).split()) == "".join(body.split())
    assert all(len(each.encode("utf-16-le")) <= 2 * most for each in found)
    assert len(found) == 1 or all(each.strip() for each in found)
