"""Tables become dataclasses, by the model's annotations; every mistake on the way is noted and none stops the rest."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Final

from bridge.call.ports import Secret
from bridge.settings.environment import unfold
from bridge.settings.kinds import NAME, Rule, blemish
from bridge.settings.report import Path, Report, suggestion
from bridge.settings.shapes import Kind, Shape, describe, keys
from bridge.settings.sources import UnsetVariable, Verbatim, interpolate

BAD: Final = object()  # stands for a value of which a mistake was noted
MAX_DEPTH: Final = 20  # of a table of JSON
MAX_ENTRIES: Final = 10_000  # of a list or table

_WORDS: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}
_NAMED: Final = frozenset({"agents", "tools", "transfers", "events"})  # tables whose names stand in URLs and variables
_WANTED: Final = {
    Kind.TABLE: "a table",
    Kind.TAGGED: "a table",
    Kind.MAPPING: "a table",
    Kind.JSON: "a table",
    Kind.LIST: "a list",
    Kind.SECRET: "a text",
    Kind.PARSED: "a text",
    Kind.TEXT: "a text",
    Kind.DATE: "a date",
    Kind.SCALAR: "a text, a number, true or false",
    Kind.BOOLEAN: "true or false",
    Kind.INTEGER: "a whole number",
    Kind.NUMBER: "a number",
}


class Builder:
    """Builds what the model describes. ``literals`` are the keys whose secrets stand in the file itself."""

    def __init__(self, report: Report, environ: Mapping[str, str]) -> None:
        self.report = report
        self.literals: list[Path] = []
        self.given: dict[Path, frozenset[str]] = {}  # which keys each table really held
        self._environ = environ

    def build(self, annotation: Any, value: Any, path: Path) -> Any:
        """The value as the annotation wants it, or BAD."""
        shape = describe(annotation)
        if isinstance(value, str) and not isinstance(value, Verbatim) and self.report.origin(path) is None:
            try:
                value = interpolate(value, self._environ)
            except UnsetVariable as error:
                return self._refuse(path, str(error), "Set it, or write ${NAME:-default}; $${ stands for a plain ${.")
        if isinstance(value, Verbatim):
            value = _converted(value, shape)
        makers: dict[Kind, Callable[[Shape, Any, Path], Any]] = {
            Kind.TABLE: self._table,
            Kind.TAGGED: self._tagged,
            Kind.MAPPING: self._mapping,
            Kind.JSON: self._json_table,
            Kind.LIST: self._list,
            Kind.CHOICE: self._choice,
            Kind.SECRET: self._secret,
            Kind.PARSED: self._parsed,
            Kind.DATE: self._date,
        }
        return makers.get(shape.kind, self._plain)(shape, value, path)

    def _refuse(self, path: Path, problem: str, remedy: str) -> Any:
        self.report.add(path, problem, remedy)
        return BAD

    def _wrong_type(self, shape: Shape, value: Any, path: Path) -> Any:
        wanted = _WANTED[shape.kind]
        return self._refuse(path, f"is {_named(value)}, not {wanted}", f"Write {wanted}.")

    def _rules(self, rules: tuple[Rule, ...], value: Any, path: Path) -> bool:
        for rule in rules:
            if complaint := rule.complain(value):
                self.report.complain(path, complaint)
                return False
        return True

    def _table(self, shape: Shape, value: Any, path: Path) -> Any:
        if not isinstance(value, dict) and shape.shorthand and isinstance(value, str):
            value = {shape.shorthand: value}
        if not isinstance(value, dict):
            return self._wrong_type(shape, value, path)
        assert shape.table is not None
        known = keys(shape.table)
        self.given[path] = frozenset(value)
        for key in value:
            if key not in known and not self.report.full:
                remedy = suggestion(str(key), known) or "Take it out; config/bridge.example.toml has every key. "
                self.report.add((*path, key), "is not a known key", remedy.strip())
        built: dict[str, Any] = {}
        for item in dataclasses.fields(shape.table):
            if item.name not in known:
                continue
            here = (*path, item.name)
            if item.name in value:
                built[item.name] = self.build(known[item.name], value[item.name], here)
            elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
                built[item.name] = self._refuse(here, "is missing", "Set it; config/bridge.example.toml shows how.")
            if built.get(item.name) is BAD:
                del built[item.name]
                if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
                    built[item.name] = _nothing(describe(known[item.name]))
        return shape.table(**built)

    def _tagged(self, shape: Shape, value: Any, path: Path) -> Any:
        if not isinstance(value, dict):
            return self._wrong_type(shape, value, path)
        assert shape.tagged is not None
        tag = shape.tagged.tag
        choices = ", ".join(f'"{name}"' for name in shape.tagged.choices)
        if tag not in value:
            return self._refuse((*path, tag), "is missing", f"Write one of {choices}.")
        name = self.build(str, value[tag], (*path, tag))
        if name is BAD:
            return BAD
        if name not in shape.tagged.choices:
            hint = suggestion(name, shape.tagged.choices)
            return self._refuse((*path, tag), "is none of those there are", f"{hint}Write one of {choices}.")
        return self.build(shape.tagged.choices[name], {**value, tag: name}, path)

    def _mapping(self, shape: Shape, value: Any, path: Path) -> Any:
        if not isinstance(value, dict):
            return self._wrong_type(shape, value, path)
        if len(value) > MAX_ENTRIES:
            return self._refuse(path, "has too many entries", f"At most {MAX_ENTRIES} are possible.")
        built = {}
        for name, item in value.items():
            here = (*path, name)
            if len(path) == 1 and path[0] in _NAMED and not re.fullmatch(NAME, name):
                self._refuse(
                    here,
                    "is not a name",
                    "Use letters, digits, - and single _, up to 64, none at an end but letters and digits.",
                )
            elif not name.isprintable() or not 0 < len(name) <= 128:
                self._refuse(here, "is not a name", "Use 1 to 128 printable characters.")
            else:
                built[name] = self.build(shape.item, item, here)
        return MappingProxyType({name: item for name, item in built.items() if item is not BAD})

    def _list(self, shape: Shape, value: Any, path: Path) -> Any:
        if shape.one_or_more and isinstance(value, str):
            value = [value]
        if not isinstance(value, list | tuple):
            return self._wrong_type(shape, value, path)
        if len(value) > MAX_ENTRIES:
            return self._refuse(path, "has too many entries", f"At most {MAX_ENTRIES} are possible.")
        built = tuple(self.build(shape.item, item, (*path, place)) for place, item in enumerate(value))
        if not self._rules(shape.rules, built, path):
            return BAD
        # what is wrong stays in place, so that numbers still count right where the checks look at the others
        nothing = _nothing(describe(shape.item))
        return tuple(nothing if item is BAD else item for item in built)

    def _json_table(self, shape: Shape, value: Any, path: Path) -> Any:
        return self._json(value, path, 0) if isinstance(value, dict) else self._wrong_type(shape, value, path)

    def _json(self, value: Any, path: Path, depth: int) -> Any:
        if depth > MAX_DEPTH:
            return self._refuse(path, "is nested too deeply", f"At most {MAX_DEPTH} levels are possible.")
        if isinstance(value, dict):
            return {str(key): self._json(item, (*path, str(key)), depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [self._json(item, (*path, place), depth + 1) for place, item in enumerate(value)]
        return self.build(Any, value, path)

    def _choice(self, shape: Shape, value: Any, path: Path) -> Any:
        if value in shape.choices and type(value) is not bool and isinstance(value, type(shape.choices[0])):
            return shape.choices[shape.choices.index(value)]
        choices = ", ".join(f'"{choice}"' if isinstance(choice, str) else str(choice) for choice in shape.choices)
        hint = (
            suggestion(value, [choice for choice in shape.choices if isinstance(choice, str)])
            if isinstance(value, str)
            else ""
        )
        return self._refuse(path, "is none of the possible values", f"{hint}Write one of {choices}.")

    def _secret(self, shape: Shape, value: Any, path: Path) -> Any:
        if isinstance(value, Secret):
            value = Verbatim(value.reveal())
        if not isinstance(value, str):
            return self._wrong_type(shape, value, path)
        if complaint := blemish(value):
            self.report.complain(path, complaint)
            return BAD
        if not self._rules(shape.rules, value, path):
            return BAD
        if (
            not isinstance(value, Verbatim)
            and self.report.origin(path) is None
            and (path != ("database_url",) or "@" in value)
        ):
            self.literals.append(path)
        return Secret(str(value))

    def _parsed(self, shape: Shape, value: Any, path: Path) -> Any:
        assert shape.parse is not None
        if not isinstance(value, str):
            return self._wrong_type(shape, value, path)
        try:
            return shape.parse.read(value)
        except ValueError as error:
            return self._refuse(path, str(error), shape.parse.remedy)

    def _date(self, shape: Shape, value: Any, path: Path) -> Any:
        if isinstance(value, str):
            try:
                return date.fromisoformat(value)
            except ValueError:
                return self._refuse(path, "is not a date", "Write 2026-12-25.")
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        return self._wrong_type(shape, value, path)

    def _plain(self, shape: Shape, value: Any, path: Path) -> Any:
        match shape.kind, value:
            case Kind.BOOLEAN, bool():
                pass
            case ((Kind.INTEGER | Kind.NUMBER), bool()):
                return self._wrong_type(shape, value, path)
            case Kind.INTEGER, int():
                pass
            case Kind.NUMBER, int() | float():
                if self._rules(shape.rules, value, path):
                    return float(value)
                return BAD
            case Kind.SCALAR, int() | float():
                if not -(2.0**63) <= value < 2.0**63:
                    return self._refuse(
                        path, "is no number that JSON can say everywhere", "Write a finite one of 64 bits, or a text."
                    )
            case ((Kind.TEXT | Kind.SCALAR), str()):
                if re.search(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", value):
                    return self._refuse(path, "holds control characters", "Take them out.")
                value = str(value)
            case _:
                return self._wrong_type(shape, value, path)
        return value if self._rules(shape.rules, value, path) else BAD


def _converted(text: Verbatim, shape: Shape) -> Any:
    """A text of the environment as what is wanted; the text where it cannot be that, for the mistake to be told."""
    stripped = text.strip()
    match shape.kind:
        case Kind.BOOLEAN:
            return _WORDS.get(stripped.lower(), text)
        case Kind.INTEGER | Kind.CHOICE if re.fullmatch(r"[+-]?[0-9]{1,18}", stripped):
            return int(stripped) if shape.kind is Kind.INTEGER or isinstance(shape.choices[0], int) else text
        case Kind.NUMBER if re.fullmatch(r"[+-]?([0-9]{1,18}(\.[0-9]{0,18})?|\.[0-9]{1,18})", stripped):
            return float(stripped)
        case Kind.LIST | Kind.TABLE | Kind.TAGGED | Kind.MAPPING | Kind.JSON:
            return unfold(text, shape)
    return text


def _nothing(shape: Shape) -> Any:
    """Stands for a value of which a mistake was noted, so that the others can still be checked. Nobody else sees it."""
    match shape.kind:
        case Kind.TEXT | Kind.SCALAR:
            return ""
        case Kind.LIST:
            return ()
        case Kind.SECRET:
            return Secret("")
        case Kind.CHOICE:
            return shape.choices[0]
        case Kind.TABLE:
            assert shape.table is not None
            required = (
                item
                for item in dataclasses.fields(shape.table)
                if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
            )
            return shape.table(**{item.name: _nothing(describe(keys(shape.table)[item.name])) for item in required})
    return None


def _named(value: Any) -> str:
    """The type of a value in TOML's words; never the value."""
    names = {bool: "a boolean", int: "a whole number", float: "a number", list: "a list", dict: "a table"}
    if isinstance(value, str):
        return "a text"
    return names.get(type(value), "a date or time")
