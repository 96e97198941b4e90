"""bridge/call/routing.py."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.call.routing import (
    Admitted,
    BadAnswer,
    CallerRules,
    LineRules,
    OpeningRules,
    TurnedAway,
    decide,
    lets_in,
    looked_up,
)
from bridge.errors import Reason

NOW = datetime(2026, 2, 15, 12, tzinfo=UTC)
CALLER = "+15550123456"


@pytest.mark.parametrize(
    ("rules", "caller", "attestation", "let_in"),
    [
        (CallerRules(), CALLER, "", True),
        (CallerRules(), "", "", True),
        (CallerRules(withheld=False), "", "A", False),
        (CallerRules(withheld=False), CALLER, "", True),
        (CallerRules(block=("+1555*",)), CALLER, "A", False),
        (CallerRules(block=(CALLER,)), CALLER + "7", "", True),
        (CallerRules(allow=("+1555*",)), CALLER, "", True),
        (CallerRules(allow=("+49*",)), CALLER, "", False),
        (CallerRules(allow=("+1*",)), "", "", False),
        (CallerRules(allow=("+1555*",), block=(CALLER,)), CALLER, "A", False),
        (CallerRules(attestation="B"), CALLER, "A", True),
        (CallerRules(attestation="B"), CALLER, "B", True),
        (CallerRules(attestation="B"), CALLER, "C", False),
        (CallerRules(attestation="C"), CALLER, "", False),
        (CallerRules(attestation="C"), CALLER, "Z", False),
    ],
)
def test_who_is_let_in(rules: CallerRules, caller: str, attestation: str, let_in: bool) -> None:
    """Blocked wins over allowed; whoever shows no number is on no list; an unknown level is none."""
    assert lets_in(rules, caller, attestation) is let_in


@pytest.mark.parametrize(
    ("hours", "decision"),
    [
        (None, Admitted()),
        (OpeningRules(lambda now: True, say="x"), Admitted()),
        (OpeningRules(lambda now: False, agent="night", say="x"), Admitted("night")),
        (OpeningRules(lambda now: False), TurnedAway(Reason.OUTSIDE_HOURS, "Closed.")),
        (OpeningRules(lambda now: False, say="Ours."), TurnedAway(Reason.OUTSIDE_HOURS, "Ours.")),
        (OpeningRules(lambda now: False, dial="+15550999"), TurnedAway(Reason.OUTSIDE_HOURS, "", "+15550999")),
    ],
)
def test_what_happens_outside_hours(hours: OpeningRules | None, decision: Any) -> None:
    """Another agent, or words, or a number; something is always said."""
    assert decide(LineRules(hours=hours), caller=CALLER, attestation="", now=NOW, closed="Closed.") == decision


def test_a_blocked_caller_does_not_reach_the_night_agent() -> None:
    """Who is let in is asked first."""
    rules = LineRules(CallerRules(block=("+1*",), say="No."), OpeningRules(lambda now: False, agent="night"))
    decision = decide(rules, caller=CALLER, attestation="", now=NOW, closed="")
    assert decision == TurnedAway(Reason.CALLER_BLOCKED, "No.")


def ask(answer: Any) -> Any:
    """What a look-up's answer comes to."""
    return looked_up(answer, agents=frozenset({"support", "vip"}), refused="No.")


def test_the_documented_answer_is_understood() -> None:
    """ElevenLabs' personalisation webhook: variables of every kind, and the four overrides."""
    decision = ask(
        {
            "type": "conversation_initiation_client_data",
            "dynamic_variables": {"name": "Ann", "visits": 3, "vip": True, "odd": ["x"], "none": None},
            "conversation_config_override": {
                "agent": {"prompt": {"prompt": "Be kind."}, "first_message": "Hello Ann!", "language": "de"},
                "tts": {"voice_id": "v1"},
            },
        }
    )
    assert decision == Admitted(
        variables={"name": "Ann", "visits": 3, "vip": True},
        overrides={"prompt": "Be kind.", "first_message": "Hello Ann!", "language": "de", "voice_id": "v1"},
    )


def test_another_agent_or_a_refusal() -> None:
    """Only agents of the configuration; a refusal with words or without."""
    assert ask({"agent": "vip"}) == Admitted("vip")
    assert ask({"refuse": True}) == TurnedAway(Reason.CALLER_BLOCKED, "No.")
    assert ask({"refuse": "Please pay first."}) == TurnedAway(Reason.CALLER_BLOCKED, "Please pay first.")
    assert ask({}) == Admitted()


@pytest.mark.parametrize("answer", [[], None, "x", {"agent": "root"}, {"agent": 5}, {"dynamic_variables": [1]}])
def test_what_is_no_answer_is_said(answer: Any) -> None:
    """Whoever asked decides what follows."""
    with pytest.raises(BadAnswer):
        ask(answer)


def test_an_answer_is_bounded() -> None:
    """A look-up that answers with a book fills no call with it."""
    decision = ask({"dynamic_variables": {f"v{n}": "x" * 9000 for n in range(500)}})
    assert len(decision.variables) == 100
    assert max(len(value) for value in decision.variables.values()) == 5000
