"""The rules of one campaign: what its owner sets, over those of ``[outbound]``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from bridge.outbound.numbers import region_of
from bridge.outbound.policy import Policy
from bridge.outbound.refusal import Refused
from bridge.outbound.wanted import MAX_MESSAGE, variables_of, voicemail
from bridge.outbound.windows import Hours, Window
from bridge.store.budget import Budget

RETRIED: Final = ("busy", "no_answer", "failed", "machine")

Rate = Annotated[float, Meta(ge=0.01, le=100)]
Count = Annotated[int, Meta(ge=1, le=10_000_000)]
Text = Annotated[str, Meta(max_length=MAX_MESSAGE)]


class Rules(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """As JSON. What is left out is as ``[outbound]`` has it."""

    agent: str = ""
    from_: list[str] = msgspec.field(
        default_factory=list, name="from"
    )  # lines of ours; the nearest to each person calls
    variables: dict[str, str | int | float | bool] = msgspec.field(default_factory=dict)
    first_message: Text = ""
    first_line: Text = ""
    machine_detection: str = ""
    voicemail_message: Text = ""
    max_duration_s: Annotated[int, Meta(ge=1, le=14_400)] | None = None
    hours: list[str] = msgspec.field(default_factory=list)  # "mon-fri 09:00-17:00", by the called person's clock
    holidays: list[date] = msgspec.field(default_factory=list)
    not_before: datetime | None = None
    not_after: datetime | None = None
    calls_per_second: Rate | None = None
    max_concurrent: Count | None = None
    daily_limit: Count | None = None
    daily_minutes: Count | None = None
    max_attempts: Annotated[int, Meta(ge=1, le=20)] | None = None
    retry_delay_s: Annotated[int, Meta(ge=1, le=604_800)] | None = None
    retry_on: list[str] | None = None  # RETRIED
    max_failure_rate: Annotated[float, Meta(ge=0, le=1)] | None = None
    failure_window: Annotated[int, Meta(ge=5, le=1000)] | None = None


@dataclass(slots=True, kw_only=True)
class Defaults:
    """What campaigns do where their rules do not say. ``parse_hours`` raises ValueError. Changes only by
    ``become``.
    """

    hours: tuple[Hours, ...]
    parse_hours: Callable[[str], Hours]
    holidays: tuple[date, ...] = ()
    max_attempts: int = 3
    retry_delay_s: int = 3600
    max_failure_rate: float = 0.5
    failure_window: int = 20

    def become(self, other: Defaults) -> None:
        """They have changed: whoever has this object has the new ones."""
        for each in fields(Defaults):
            setattr(self, each.name, getattr(other, each.name))


def read_rules(body: Any, policy: Policy, defaults: Defaults) -> Rules:
    """Rules from JSON values. Raises Refused."""
    try:
        rules = msgspec.convert(body, Rules, strict=True)
    except msgspec.ValidationError as error:
        raise Refused(
            f"the rules are not as they should be: {str(error)[:200]}", hint="See docs/campaigns.md."
        ) from None
    variables_of(rules.variables)
    for number in pool_of(rules, policy):
        policy.caller(number)
    if rules.agent and rules.agent not in policy.agents:
        raise Refused("there is no such agent", hint="Name one of [agents.*].")
    detection = rules.machine_detection or policy.machine_detection
    if detection not in {"off", "detect", "leave_message"}:
        raise Refused("machine_detection is unknown", hint="One of off, detect, leave_message.")
    if detection == "leave_message" and not rules.voicemail_message:
        raise Refused("there is no message to leave", hint="Give voicemail_message.")
    voicemail(rules.voicemail_message)
    if set(rules.retry_on or ()) - set(RETRIED):
        raise Refused("retry_on names no outcome", hint=f"Some of {', '.join(RETRIED)}.")
    for each in (rules.not_before, rules.not_after):
        if each is not None and each.tzinfo is None:
            raise Refused("a time has no zone", hint="ISO 8601 with a zone: 2026-11-21T09:00:00-05:00.")
    if rules.not_before and rules.not_after and rules.not_after <= rules.not_before:
        raise Refused("not_after is not after not_before", hint="Give a later time.")
    window_of(rules, defaults)
    return rules


def window_of(rules: Rules, defaults: Defaults) -> Window:
    """When people may be called. Raises Refused."""
    try:
        hours = tuple(map(defaults.parse_hours, rules.hours)) or defaults.hours
    except ValueError:
        raise Refused("hours are no times of the week", hint='Write "mon-fri 09:00-17:00".') from None
    return Window(hours, frozenset((*rules.holidays, *defaults.holidays)))


def budget_of(rules: Rules) -> Budget:
    """The campaign's own limits; those over all calls hold besides."""
    return Budget(
        calls_per_second=rules.calls_per_second or 0.0,
        max_concurrent=rules.max_concurrent or 0,
        daily_limit=rules.daily_limit or 0,
        daily_minutes=rules.daily_minutes or 0,
    )


def pool_of(rules: Rules, policy: Policy) -> list[str]:
    """The numbers of ours that a campaign calls from. Raises Refused where none is named anywhere."""
    return rules.from_ or list(policy.caller_numbers) or [policy.default_caller()]


def caller_for(number: str, pool: Sequence[str]) -> str:
    """The number of ours that is nearest to ``number``: same area, else same country, else any; always the same one."""

    def nearness(own: str) -> tuple[int, bool, str]:
        common = next((at for at, (a, b) in enumerate(zip(own, number, strict=False)) if a != b), len(own))
        return common, region_of(own) == region_of(number), own

    return max(pool, key=nearness)
