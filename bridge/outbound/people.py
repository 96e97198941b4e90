"""The people of a campaign, from CSV or JSON: every line is judged by itself, and every mistake is told.

CSV has a head line. ``number`` must be there; ``name``, ``time``, ``zone``, ``not_before`` and ``not_after`` are known; every
other column is a variable for the agent, as are name and time. JSON is a list of objects with the same keys, and
``variables``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from bridge.outbound.policy import Policy
from bridge.outbound.refusal import Refused
from bridge.outbound.rules import Defaults, Rules, window_of
from bridge.outbound.wanted import moment, variables_of
from bridge.outbound.windows import Window, is_zone, zones_of
from bridge.store.campaigns import Target
from bridge.store.tables import micros

MAX_BYTES: Final = 32 * 1024 * 1024
MAX_LINES: Final = 100_000
MAX_FIELD: Final = 4000  # characters
_KNOWN: Final = frozenset({"number", "name", "time", "zone", "not_before", "not_after", "variables"})


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line that nobody is called for, and why. ``line``: of the file, from 1; of a JSON list, the place in it."""

    line: int
    why: str


@dataclass(slots=True)
class Preview:
    """What would happen."""

    targets: list[Target] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def public(self, *, most: int = 1000) -> dict[str, Any]:
        """``{"will_be_called", "skipped", "reasons", "lines"}``."""
        reasons: dict[str, int] = {}
        for each in self.skipped:
            reasons[each.why] = reasons.get(each.why, 0) + 1
        called = len(self.targets)
        return {
            "summary": f"{called} will be called, {len(self.skipped)} skipped",
            "will_be_called": called,
            "skipped": len(self.skipped),
            "reasons": reasons,
            "lines": [{"line": each.line, "why": each.why} for each in self.skipped[:most]],
        }

    def suppress(self, numbers: set[str]) -> None:
        """Nobody of these is called."""
        kept: list[Target] = []
        for target in self.targets:
            if target.number in numbers:
                self.skipped.append(Skipped(target.position, "on the suppression list"))
            else:
                kept.append(target)
        self.targets = kept
        self.skipped.sort(key=lambda each: each.line)

    def stored(self) -> list[Target]:
        """What is kept: those skipped too, with the reason, so that the results account for every line."""
        skipped = [
            Target(position=each.line, number="", state="skipped", result="skipped", note=each.why)
            for each in self.skipped
        ]
        return sorted([*self.targets, *skipped], key=lambda each: each.position)


class Reader:
    """Judges lines by the rules of a campaign."""

    def __init__(self, policy: Policy, rules: Rules, defaults: Defaults, now: datetime) -> None:
        self._policy = policy
        self._rules = rules
        self._window: Window = window_of(rules, defaults)
        self._now = now
        self._seen: dict[str, int] = {}
        self._openings: dict[tuple[Any, ...], datetime | None] = {}

    def read(self, text: bytes, *, json: bool) -> Preview:
        """Everything in a file. Raises Refused where it is none, or too long: then nothing of it is taken."""
        if len(text) > MAX_BYTES:
            raise Refused(
                "the list is too large", status=413, hint=f"At most {MAX_BYTES // 1024**2} MiB: make it several."
            )
        preview = Preview()
        for line, row in _json_rows(text) if json else _csv_rows(text):
            if len(preview.targets) + len(preview.skipped) >= MAX_LINES:
                raise Refused("the list is too long", status=413, hint=f"At most {MAX_LINES} people: make it several.")
            try:
                preview.targets.append(self._target(line, row))
            except Refused as error:
                preview.skipped.append(Skipped(line, str(error)))
        return preview

    def _target(self, line: int, row: Any) -> Target:
        if isinstance(row, Refused):
            raise row
        number = self._policy.destinations.check(_text(row, "number").strip())
        if number in self._seen:
            raise Refused(f"the same number as in line {self._seen[number]}")
        name, time, zone = _text(row, "name").strip(), _text(row, "time").strip(), _text(row, "zone").strip()
        variables = {key: value for key, value in row.items() if key not in _KNOWN and value != ""}
        inner = row.get("variables") or {}
        if not isinstance(inner, dict):
            raise Refused("variables are no table")
        variables = variables_of({**variables, **inner, **_given(name=name, time=time)})
        if zone and not is_zone(zone):
            raise Refused("there is no such zone")
        zones = (zone,) if zone else zones_of(number)
        if not zones:
            raise Refused("its zone is unknown: give one")
        own = _time(row, "not_before"), _time(row, "not_after")
        first = self.first_call(zones, *within(own, (self._rules.not_before, self._rules.not_after)))
        if first is None:
            raise Refused("never within the calling hours")
        self._seen[number] = line
        document: dict[str, Any] = {"zones": list(zones), "variables": variables}
        for key, time_ in zip(("not_before", "not_after"), own, strict=True):
            if time_ is not None:
                document[key] = time_.isoformat()
        return Target(position=line, number=number, name=name, due_us=micros(first), document=document)

    def first_call(
        self, zones: tuple[str, ...], not_before: datetime | None, not_after: datetime | None
    ) -> datetime | None:
        """When somebody can be called first; None for never."""
        key = (zones, not_before)
        if key not in self._openings:
            self._openings[key] = self._window.opens(max(self._now, not_before or self._now), zones)
        opening = self._openings[key]
        return None if opening is None or (not_after is not None and opening >= not_after) else opening


Span = tuple[datetime | None, datetime | None]  # not before, not after


def within(person: Span, campaign: Span) -> Span:
    """Where both say when, both hold: the later beginning and the earlier end."""
    begins = [each for each in (person[0], campaign[0]) if each is not None]
    ends = [each for each in (person[1], campaign[1]) if each is not None]
    return max(begins, default=None), min(ends, default=None)


def _csv_rows(text: bytes) -> Iterator[tuple[int, Any]]:
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused("the list is not UTF-8", hint="Save it as CSV UTF-8.") from None
    if "\0" in decoded:
        raise Refused("the list is not a text", hint="Save it as CSV UTF-8.")
    head = decoded.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(decoded, newline=""), delimiter=delimiter, strict=True)
    last = 1 + decoded.count("\n") if "\n" in decoded else 1 + decoded.count("\r")
    try:
        names = [name.strip() for name in next(reader, [])]
        if "number" not in names or len(set(names)) != len(names):
            raise Refused("the head line has no column number, or one twice", hint="Write: number,name,time,zone,...")
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            if len(values) < len(names) and not decoded.endswith(("\n", "\r")) and reader.line_num == last:
                raise Refused(f"the list ends in the middle of line {last}", hint="Is it complete?")
            if len(values) != len(names):
                yield reader.line_num, Refused(f"{len(values)} fields instead of {len(names)}")
            else:
                yield reader.line_num, dict(zip(names, values, strict=True))
    except csv.Error as error:
        raise Refused(f"the list is no CSV from line {reader.line_num} on ({error})", hint="Is it complete?") from None


def _json_rows(text: bytes) -> Iterator[tuple[int, Any]]:
    try:
        found = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        raise Refused("the list is not JSON", hint="Is it complete? Send a list of objects in UTF-8.") from None
    if not isinstance(found, list):
        raise Refused("the list is no list", hint='Send [{"number": "+12125550123"}, ...].')
    for line, row in enumerate(found, 1):
        yield line, row if isinstance(row, dict) else Refused("no object")


def _text(row: dict[str, Any], key: str) -> str:
    value = row.get(key, "")
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_FIELD:
        raise Refused(f"{key} is no text, or too long")
    return value


def _time(row: dict[str, Any], key: str) -> datetime | None:
    text = _text(row, key).strip()
    if not text:
        return None
    try:
        return moment(text)
    except (ValueError, OverflowError):
        raise Refused(f"{key} is no time with a zone") from None


def _given(**values: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if value}
