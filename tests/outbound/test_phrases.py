"""The tables of phrases are data that can be looked for."""

import dataclasses
import re

import pytest

from bridge.outbound.phrases import PHRASES, Phrases
from bridge.outbound.said import fold


@pytest.mark.parametrize("language", PHRASES)
@pytest.mark.parametrize("name", [each.name for each in dataclasses.fields(Phrases)])
def test_every_list_of_every_language_is_filled_and_folded(language: str, name: str) -> None:
    """An expression with an accent or a capital would never be found, since what was said has none by then."""
    phrases: tuple[str, ...] = getattr(PHRASES[language], name)
    assert phrases
    for each in phrases:
        re.compile(each)
        literal = re.sub(r"\\\w", "", each)
        assert fold(literal) == " ".join(literal.split()), each


def test_a_table_has_no_group_that_could_shift_anothers() -> None:
    """They are put together into one expression."""
    for phrases in PHRASES.values():
        for field in dataclasses.fields(Phrases):
            assert all(re.compile(each).groups == 0 for each in getattr(phrases, field.name))
