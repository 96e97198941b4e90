"""The model's annotations, taken apart: what kind of value a key wants, and by which rules."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum, auto
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from bridge.call.ports import Secret
from bridge.settings.kinds import JsonTable, OneOrMore, Parse, Rule, Scalar, Tagged


class Kind(Enum):
    """What a value is written as."""

    TABLE = auto()  # a dataclass
    TAGGED = auto()  # one of several dataclasses
    MAPPING = auto()  # names of the user's own
    LIST = auto()
    JSON = auto()
    CHOICE = auto()
    SECRET = auto()
    PARSED = auto()
    DATE = auto()
    SCALAR = auto()
    TEXT = auto()
    BOOLEAN = auto()
    INTEGER = auto()
    NUMBER = auto()


@dataclass(frozen=True, slots=True)
class Shape:
    """What one key wants."""

    kind: Kind
    table: type | None = None  # the dataclass
    item: Any = None  # annotation of a list's or mapping's entries
    rules: tuple[Rule, ...] = ()
    choices: tuple[Any, ...] = ()
    tagged: Tagged | None = None
    parse: Parse | None = None
    one_or_more: bool = False
    shorthand: str = ""  # the key that a lone value stands for
    annotations: Mapping[str, Any] = field(default_factory=dict)  # of a table's keys

    def child(self, key: str | int, holder: Any) -> Any:
        """The annotation of what stands under ``key``; ``str`` where nothing is known of it."""
        if self.kind in {Kind.LIST, Kind.MAPPING}:
            return self.item
        if self.kind is Kind.JSON:
            return Annotated[Mapping[str, Any], JsonTable()]
        if self.tagged is not None:
            named = holder.get(self.tagged.tag) if isinstance(holder, dict) else None
            first = [self.tagged.choices[named]] if isinstance(named, str) and named in self.tagged.choices else []
            for table in [*first, *self.tagged.choices.values()]:
                if key in keys(table):
                    return keys(table)[str(key)]
        return self.annotations.get(str(key), str)


@cache
def keys(table: type) -> Mapping[str, Any]:
    """The keys of a dataclass, with their annotations."""
    hints = get_type_hints(table, include_extras=True)
    names = [item.name for item in dataclasses.fields(table) if not item.metadata.get("computed")]
    return types.MappingProxyType({name: hints[name] for name in names})


def describe(annotation: Any) -> Shape:
    """Take an annotation apart."""
    rules: tuple[Any, ...] = ()
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation, *extras = get_args(annotation)
            rules = (*rules, *extras)
        elif origin in {Union, types.UnionType} and type(None) in get_args(annotation):
            some = [part for part in get_args(annotation) if part is not type(None)]
            annotation = some[0] if len(some) == 1 else Union[tuple(some)]  # noqa: UP007 made at run time
        else:
            break
    for rule in rules:
        if isinstance(rule, Tagged):
            return Shape(Kind.TAGGED, tagged=rule)
        if isinstance(rule, JsonTable):
            return Shape(Kind.JSON)
        if isinstance(rule, Parse):
            return Shape(Kind.PARSED, parse=rule)
    checks = tuple(rule for rule in rules if not isinstance(rule, OneOrMore))
    if dataclasses.is_dataclass(annotation):
        assert isinstance(annotation, type)
        return Shape(
            Kind.TABLE, table=annotation, shorthand=getattr(annotation, "shorthand", ""), annotations=keys(annotation)
        )
    if annotation == Scalar:
        return Shape(Kind.SCALAR, rules=checks)
    if origin is tuple:
        more = any(isinstance(rule, OneOrMore) for rule in rules)
        return Shape(Kind.LIST, item=get_args(annotation)[0], rules=checks, one_or_more=more)
    if origin is Mapping:
        return Shape(Kind.MAPPING, item=get_args(annotation)[1])
    if origin is Literal:
        return Shape(Kind.CHOICE, choices=get_args(annotation))
    return Shape(_PLAIN[annotation], rules=checks)


_PLAIN: Mapping[Any, Kind] = types.MappingProxyType(
    {
        str: Kind.TEXT,
        bool: Kind.BOOLEAN,
        int: Kind.INTEGER,
        float: Kind.NUMBER,
        Secret: Kind.SECRET,
        date: Kind.DATE,
        Any: Kind.SCALAR,
    }
)
