"""Annotations, taken apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, ClassVar, Literal

import pytest

from bridge.call.ports import Secret
from bridge.settings.kinds import JsonTable, OneOrMore, Range, Scalar, Tagged
from bridge.settings.shapes import Kind, describe, keys


@dataclass(frozen=True)
class Place:
    """A table."""

    shorthand: ClassVar[str] = "number"
    number: str
    ring: Annotated[int, Range(1, 9)] = 5
    made: str = field(default="", metadata={"computed": True})


@dataclass(frozen=True)
class Other:
    """Another."""

    number: int


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (str, Kind.TEXT),
        (bool, Kind.BOOLEAN),
        (int, Kind.INTEGER),
        (float, Kind.NUMBER),
        (Secret, Kind.SECRET),
        (date, Kind.DATE),
        (Scalar, Kind.SCALAR),
        (Any, Kind.SCALAR),
        (Place, Kind.TABLE),
        (tuple[str, ...], Kind.LIST),
        (Mapping[str, int], Kind.MAPPING),
        (Literal["a", "b"], Kind.CHOICE),
        (Annotated[Mapping[str, Any], JsonTable()], Kind.JSON),
        (str | None, Kind.TEXT),
        (Annotated[int, Range(1, 2)] | None, Kind.INTEGER),
        (Annotated[Place | Other, Tagged("kind", {"p": Place, "o": Other})], Kind.TAGGED),
    ],
)
def test_each_annotation_is_one_kind(annotation: Any, kind: Kind) -> None:
    """None beside it, and rules around it, change nothing."""
    assert describe(annotation).kind is kind


def test_rules_are_kept_and_one_or_more_is_none_of_them() -> None:
    """It says how a value may be written, not which."""
    rule = Range(1, 3)
    assert describe(Annotated[int, rule] | None).rules == (rule,)
    shape = describe(Annotated[tuple[Secret, ...], OneOrMore(), rule])
    assert (shape.one_or_more, shape.item, shape.rules) == (True, Secret, (rule,))
    assert not describe(tuple[str, ...]).one_or_more


def test_a_table_has_the_keys_that_a_person_may_write() -> None:
    """Computed ones are none, and a lone value stands for one of them."""
    assert set(keys(Place)) == {"number", "ring"}
    shape = describe(Place)
    assert (shape.shorthand, shape.table) == ("number", Place)
    assert describe(Other).shorthand == ""


def test_what_stands_under_a_key_is_known() -> None:
    """By the holder's tag where it has one; text where nothing is known."""
    assert describe(Place).child("ring", {}) == Annotated[int, Range(1, 9)]
    assert describe(Place).child("strange", {}) is str
    assert describe(tuple[int, ...]).child(0, []) is int
    assert describe(Mapping[str, bool]).child("any", {}) is bool
    tagged = describe(Annotated[Place | Other, Tagged("kind", {"p": Place, "o": Other})])
    assert tagged.child("number", {"kind": "o"}) is int
    assert tagged.child("number", {"kind": "p"}) is str
    assert tagged.child("ring", {"kind": "o"}) == Annotated[int, Range(1, 9)]
    assert tagged.child("number", {"kind": ["o"]}) is str
    assert describe(Literal["a", "b"]).choices == ("a", "b")
