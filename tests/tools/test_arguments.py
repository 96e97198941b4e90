"""bridge/tools/arguments.py."""

from typing import Any

import pytest

from bridge.tools.arguments import ArgumentRules
from bridge.tools.asking import ToolProblem

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["date"],
    "properties": {
        "date": {"type": "string", "format": "date"},
        "people": {"type": "integer", "minimum": 1, "maximum": 8},
        "kind": {"enum": ["check-up", "cleaning"]},
        "name": {"type": "string", "maxLength": 5, "minLength": 2},
        "notes": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}},
    },
}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "date is missing"),
        ({"date": 5}, "date must be a text"),
        ({"date": "tomorrow"}, "date must be written as a date"),
        ({"date": "2026-02-15", "people": 0}, "people must be at least 1"),
        ({"date": "2026-02-15", "people": 9}, "people must be at most 8"),
        ({"date": "2026-02-15", "people": 1.5}, "people must be a whole number"),
        ({"date": "2026-02-15", "kind": "x"}, "kind must be one of: check-up, cleaning"),
        ({"date": "2026-02-15", "name": "Elizabeth"}, "name is too long"),
        ({"date": "2026-02-15", "name": "E"}, "name is too short"),
        ({"date": "2026-02-15", "notes": ["a", "5"]}, "notes.1 is not as"),
        ({"date": "2026-02-15", "rm": "-rf"}, "holds something"),
    ],
)
def test_what_is_wrong_is_said_in_words(arguments: dict[str, Any], words: str) -> None:
    """Each kind of mistake gives a sentence that names the argument, and never its value."""
    with pytest.raises(ToolProblem, match=words) as caught:
        ArgumentRules(SCHEMA).check(arguments)
    assert "Elizabeth" not in str(caught.value)


def test_arguments_that_fit_pass_with_the_call_named() -> None:
    """call_id and phone_number are ours: a strict schema does not have to know them."""
    ArgumentRules(SCHEMA).check({"date": "2026-02-15", "call_id": "call_1", "phone_number": "+15550100"})


def test_no_schema_is_fetched() -> None:
    """A foreign reference is a broken tool, not a request over the network."""
    with pytest.raises(ToolProblem, match="not set up"):
        ArgumentRules({"$ref": "http://127.0.0.1:9/schema.json"}).check({})


def test_what_is_no_schema_is_refused_at_once() -> None:
    """A wrong schema is found when the bridge starts."""
    with pytest.raises(ValueError, match="no JSON Schema"):
        ArgumentRules({"type": "sting"})
