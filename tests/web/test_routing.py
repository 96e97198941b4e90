"""Before a call is answered: rules, then a look-up within its time."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from bridge.call.plan import Line
from bridge.call.record import Direction
from bridge.call.routing import Admitted, CallerRules, Decision, LineRules, OpeningRules, TurnedAway
from bridge.errors import Reason
from bridge.tools.sending import DeliveryFailure
from bridge.web.routing import CLOSED, NOT_TAKEN, Lookup, Router, Way
from tests.web.desk import CALL, LINE, OURS, PERSON, kept

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Directory:
    """A business system that is asked who is calling."""

    def __init__(self, answer: Any = b"{}") -> None:
        self.answer = answer
        self.asked: list[Any] = []

    async def post(self, body: bytes, *, message_id: str, timeout_s: float) -> bytes:
        """Its answer; an exception is raised, None is never."""
        self.asked.append((msgspec.json.decode(body), message_id, timeout_s))
        if self.answer is None:
            await asyncio.Event().wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return bytes(self.answer)


def router(directory: Directory | None = None, *, refuse: bool = False, timeout_s: float = 1.0, **rules: Any) -> Router:
    """Of one line."""
    lookup = None if directory is None else Lookup(directory, timeout_s, refuse)  # type: ignore[arg-type]
    agents = {"support": "agent_1", "sales": "agent_2"}
    return Router({OURS: Way(LineRules(**rules), lookup)}, agents=agents, clock=lambda: NOON)


async def route(subject: Router, *, line: Line = LINE, attestation: str = "", **more: Any) -> Decision:
    """What becomes of a call."""
    return await subject.route(kept(**more), line, attestation=attestation)


async def test_a_line_without_rules_takes_everybody() -> None:
    """Nothing is asked."""
    assert await route(Router({}, agents={})) == Admitted()
    assert await route(router()) == Admitted()


async def test_rules_are_for_who_calls_us() -> None:
    """A call that we placed is not turned away by its own line, nor looked up."""
    directory = Directory()
    subject = router(directory, callers=CallerRules(block=("*",)))
    assert await route(subject, direction=Direction.OUTBOUND) == Admitted()
    assert directory.asked == []


async def test_who_is_blocked_is_turned_away_before_anybody_is_asked() -> None:
    """The look-up never learns of the call."""
    directory = Directory()
    subject = router(directory, callers=CallerRules(block=(PERSON,), say="No."))
    assert await route(subject) == TurnedAway(Reason.CALLER_BLOCKED, say="No.")
    assert directory.asked == []


async def test_the_callers_attestation_is_judged() -> None:
    """As the carrier gave it."""
    subject = router(callers=CallerRules(attestation="B"))
    assert isinstance(await route(subject, attestation="C"), TurnedAway)
    assert await route(subject, attestation="A") == Admitted()


async def test_opening_hours_are_asked_with_the_time_of_now() -> None:
    """Closed without words of its own, the house's words are said."""
    asked: list[datetime] = []

    def closed(now: datetime) -> bool:
        asked.append(now)
        return False

    found = await route(router(hours=OpeningRules(closed)))
    assert found == TurnedAway(Reason.OUTSIDE_HOURS, say=CLOSED)
    assert asked == [NOON]


async def test_a_look_up_is_told_who_calls_whom() -> None:
    """By the names that its makers know, the agent by its provider's own id; the message is named by our call."""
    directory = Directory()
    await route(router(directory, timeout_s=0.7))
    question = {"caller_id": PERSON, "agent_id": "agent_1", "called_number": OURS, "call_sid": CALL}
    assert directory.asked == [(question, "call_kept", 0.7)]


async def test_a_look_up_chooses_agent_and_variables() -> None:
    """What it says holds; without an agent the one of the night stays."""
    directory = Directory(b'{"agent":"sales","dynamic_variables":{"name":"Ann"}}')
    assert await route(router(directory)) == Admitted("sales", {"name": "Ann"}, {})
    directory.answer = b'{"dynamic_variables":{"name":"Ann"}}'
    night = OpeningRules(lambda _: False, agent="sales")
    assert await route(router(directory, hours=night)) == Admitted("sales", {"name": "Ann"}, {})
    assert directory.asked[1][0]["agent_id"] == "agent_2"


async def test_a_look_up_turns_away() -> None:
    """With its own words or ours."""
    directory = Directory(b'{"refuse":true}')
    assert await route(router(directory)) == TurnedAway(Reason.CALLER_BLOCKED, say=NOT_TAKEN)
    directory.answer = b'{"refuse":"Please pay."}'
    assert await route(router(directory)) == TurnedAway(Reason.CALLER_BLOCKED, say="Please pay.")


@pytest.mark.parametrize(
    "answer",
    [b"", b"[]", b"{", b"\xff", b"[" * 5000, b'{"agent":"nobody"}', DeliveryFailure("refused"), TimeoutError(), None],
)
async def test_a_look_up_that_fails_costs_the_caller_nothing_but_its_time(answer: Any) -> None:
    """The call is taken as without it; where the line says so, it is turned away."""
    assert await route(router(Directory(answer), timeout_s=0.01)) == Admitted()
    refused = await route(router(Directory(answer), timeout_s=0.01, refuse=True))
    assert refused == TurnedAway(Reason.CALLER_BLOCKED, say=NOT_TAKEN)


def test_a_crowded_line_has_its_own_words() -> None:
    """In place of the fallback's, number included; without any the line is as it was."""
    crowd = Router({OURS: Way(overflow=("Too many.", None))}, agents={})
    assert crowd.crowded(LINE) == replace(LINE, fallback_say="Too many.", fallback_dial=None)
    assert router().crowded(LINE) == LINE
    assert Router({}, agents={}).crowded(LINE) == LINE
