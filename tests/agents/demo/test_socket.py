"""What the demo agent reads of its client's messages."""

from typing import Any

import pytest

from bridge.agents.demo.socket import part, sound


@pytest.mark.parametrize("value", [None, 7, "!!", "/w", "\u00e9", ["/w=="]])
def test_what_is_no_sound_is_silence(value: object) -> None:
    """A client's mistake costs the client's sound, not the conversation."""
    assert sound(value) == b""
    assert sound("/w==") == b"\xff"


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ({"a": {"b": {"c": 1}}}, {"c": 1}),
        ({"a": {"b": 7}}, {}),
        ({"a": [{"b": {}}]}, {}),
        ({"a": None}, {}),
        ({}, {}),
    ],
)
def test_a_path_that_leads_nowhere_ends_in_nothing(message: dict[str, Any], found: dict[str, Any]) -> None:
    """Whatever stands in its way."""
    assert part(message, "a", "b") == found
