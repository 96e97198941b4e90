"""A secret does not show itself."""

import json
import pickle
import traceback

import pytest

from bridge.call.ports import Secret

TEXT = "sk-0123456789"


def test_a_secret_is_masked_wherever_it_is_printed() -> None:
    """In text, in formats, in what holds it and in a traceback."""
    secret = Secret(TEXT)
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r:>40}", repr({"key": [secret]}), "%s" % secret]  # noqa: UP031
    try:
        raise ValueError(secret)
    except ValueError:
        shown.append(traceback.format_exc())
    for each in shown:
        assert TEXT not in each
        assert "***" in each
    assert secret.reveal() == TEXT


def test_a_secret_is_neither_pickled_nor_made_json() -> None:
    """It fails rather than leak."""
    with pytest.raises(TypeError):
        pickle.dumps(Secret(TEXT))
    with pytest.raises(TypeError):
        json.dumps(Secret(TEXT))


def test_secrets_are_compared_by_what_they_hide() -> None:
    """With each other only; an empty one is false."""
    assert Secret(TEXT) == Secret(TEXT)
    assert len({Secret(TEXT), Secret(TEXT), Secret("x")}) == 2
    assert Secret(TEXT) != TEXT
    assert not Secret("")
    assert Secret(TEXT)
