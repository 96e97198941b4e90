"""Query strings, read strictly: an unknown or doubled parameter is a mistake, and is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from starlette.datastructures import QueryParams

from bridge.call.record import Direction, Status
from bridge.web.api.endpoint import Refused

MAX_LIMIT: Final = 200
DEFAULT_LIMIT: Final = 50
_TEXT: Final = re.compile(r"[ -~]{1,100}")
_CURSOR: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which calls are wanted."""

    limit: int
    cursor: str | None
    status: Status | None
    direction: Direction | None
    agent: str | None
    line: str | None
    number: str | None
    since: datetime | None
    until: datetime | None

    @classmethod
    def read(cls, params: QueryParams) -> ListQuery:
        """Raises Refused (422)."""
        _only(params, set(cls.__slots__))
        limit = _each(params, "limit", lambda text: _whole(text, 1, MAX_LIMIT), f"a number from 1 to {MAX_LIMIT}")
        statuses = ", ".join(map(str, Status))
        return cls(
            limit=DEFAULT_LIMIT if limit is None else limit,
            cursor=_each(params, "cursor", lambda text: _match(_CURSOR, text), "next_cursor of the page before"),
            status=_each(params, "status", Status._value2member_map_.__getitem__, f"one of {statuses}"),  # type: ignore[arg-type]
            direction=_each(params, "direction", Direction, "inbound or outbound"),
            agent=_each(params, "agent", _text, "the name of an agent"),
            line=_each(params, "line", _text, "one of our numbers"),
            number=_each(params, "number", _text, "a phone number; in a URL its + is written %2B"),
            since=_each(params, "since", _moment, "a time in ISO 8601 with its zone: 2026-01-31T12:00:00Z"),
            until=_each(params, "until", _moment, "a time in ISO 8601 with its zone: 2026-01-31T12:00:00Z"),
        )

    def store_arguments(self) -> dict[str, Any]:
        """As ``Calls.list`` has them."""
        return {name: getattr(self, name) for name in self.__slots__}


def flag(params: QueryParams, name: str) -> bool:
    """A parameter that is true or false, and the only one. Raises Refused (422)."""
    _only(params, {name})
    return _each(params, name, {"true": True, "false": False}.__getitem__, "true or false") or False


def _only(params: QueryParams, known: set[str]) -> None:
    names = [name for name, _ in params.multi_items()]
    if not set(names) <= known:
        raise Refused(422, "There is an unknown query parameter.", f"Known are: {', '.join(sorted(known))}.")
    if len(set(names)) != len(names):
        raise Refused(422, "A query parameter is there twice.", "Send each once.")


def _each(params: QueryParams, name: str, read: Callable[[str], T], wanted: str) -> T | None:
    text = params.get(name)
    if text is None:
        return None
    try:
        return read(text)
    except (ValueError, KeyError, OverflowError):
        raise Refused(422, f"The query parameter {name} cannot be understood.", f"It is {wanted}.") from None


def _whole(text: str, low: int, high: int) -> int:
    value = int(_match(re.compile(r"[0-9]{1,9}"), text))
    if not low <= value <= high:
        raise ValueError
    return value


def _text(text: str) -> str:
    return _match(_TEXT, text)


def _match(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError
    return text


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(_match(_TEXT, text))
    if moment.tzinfo is None or not 1970 <= moment.year <= 9000:
        raise ValueError
    return moment
