"""Who is let in, when, and to which agent: decided from the line's rules and what the carrier says of the caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bridge.call.record import CallRecord
from bridge.errors import Reason

LEVELS: Final = ("", "C", "B", "A")  # STIR/SHAKEN (ATIS-1000074): how sure the caller's own carrier is of the number
MAX_VARIABLES: Final = 100
MAX_TEXT: Final = 5000  # characters of one variable
MAX_PROMPT: Final = 50_000

Scalar = str | int | float | bool


class BadAnswer(ValueError):
    """A look-up answered something else than it should."""


@dataclass(frozen=True, slots=True)
class CallerRules:
    """Blocked wins over allowed. A pattern is a number, or the beginning of numbers and ``*``."""

    allow: tuple[str, ...] = ()  # empty: everybody
    block: tuple[str, ...] = ()
    withheld: bool = True  # let in who shows no number
    attestation: str = ""  # the least level that is let in
    say: str = ""  # to those who are not; "": the call is rejected unheard


@dataclass(frozen=True, slots=True)
class OpeningRules:
    """``is_open`` is asked with a time that has a zone."""

    is_open: Callable[[datetime], bool]
    agent: str = ""  # answers while closed
    say: str = ""
    dial: str | None = None


@dataclass(frozen=True, slots=True)
class LineRules:
    """What is asked before a line is answered."""

    callers: CallerRules = field(default_factory=CallerRules)
    hours: OpeningRules | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """The call is taken. ``agent`` "": the line's own. ``overrides``: first_message, prompt, language, voice_id."""

    agent: str = ""
    variables: Mapping[str, Scalar] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)

    def tell(self, record: CallRecord) -> None:
        """Let the call's session know."""
        record.agent = self.agent or record.agent
        if self.variables:
            record.detail["variables"] = {**record.detail.get("variables", {}), **self.variables}
        if self.overrides:
            record.detail["overrides"] = {**record.detail.get("overrides", {}), **self.overrides}


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """It is not. Neither words nor a number: it is rejected unheard."""

    reason: Reason
    say: str = ""
    dial: str | None = None


Decision = Admitted | TurnedAway


def decide(rules: LineRules, *, caller: str, attestation: str, now: datetime, closed: str) -> Decision:
    """``caller`` "" where withheld; ``closed``: said where the line has no words of its own for it."""
    if not lets_in(rules.callers, caller, attestation):
        return TurnedAway(Reason.CALLER_BLOCKED, say=rules.callers.say)
    hours = rules.hours
    if hours is None or hours.is_open(now):
        return Admitted()
    if hours.agent:
        return Admitted(agent=hours.agent)
    return TurnedAway(Reason.OUTSIDE_HOURS, say=hours.say or ("" if hours.dial else closed), dial=hours.dial)


def lets_in(rules: CallerRules, caller: str, attestation: str) -> bool:
    """Whether this caller may come in."""
    if not caller:
        return rules.withheld and not rules.allow
    if any(_fits(pattern, caller) for pattern in rules.block):
        return False
    if rules.allow and not any(_fits(pattern, caller) for pattern in rules.allow):
        return False
    return LEVELS.index(attestation if attestation in LEVELS else "") >= LEVELS.index(rules.attestation)


def _fits(pattern: str, number: str) -> bool:
    return number.startswith(pattern[:-1]) if pattern.endswith("*") else number == pattern


def looked_up(answer: Any, *, agents: frozenset[str], refused: str) -> Decision:
    """What a look-up answered (ElevenLabs' personalisation webhook, and ours beside it): variables and overrides; ``agent``,
    another one of ours; ``refuse``, true or words. Raises BadAnswer.
    """
    if not isinstance(answer, dict):
        raise BadAnswer("the answer is no JSON object")
    refuse = answer.get("refuse", False)
    if refuse:
        return TurnedAway(Reason.CALLER_BLOCKED, say=refuse[:1000] if isinstance(refuse, str) else refused)
    agent = answer.get("agent", "") or ""
    if not isinstance(agent, str) or (agent and agent not in agents):
        raise BadAnswer("the answer names an agent that is not configured")
    given = answer.get("dynamic_variables") or {}
    if not isinstance(given, dict):
        raise BadAnswer("dynamic_variables is no object")
    variables = {
        str(name)[:100]: value[:MAX_TEXT] if isinstance(value, str) else value
        for name, value in list(given.items())[:MAX_VARIABLES]
        if isinstance(value, str | int | float | bool)
    }
    return Admitted(agent, variables, _overrides(answer.get("conversation_config_override") or {}))


def _overrides(given: Any) -> dict[str, str]:
    agent = _table(given, "agent")
    found = {
        "first_message": agent.get("first_message"),
        "prompt": _table(agent, "prompt").get("prompt"),
        "language": agent.get("language"),
        "voice_id": _table(given, "tts").get("voice_id"),
    }
    return {name: value[:MAX_PROMPT] for name, value in found.items() if isinstance(value, str)}


def _table(given: Any, name: str) -> dict[str, Any]:
    found = given.get(name) if isinstance(given, dict) else None
    return found if isinstance(found, dict) else {}
