"""The plan of a call, from its line and agent."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.call.plan import AgentRules, Line
from bridge.runtime.factory import SessionFactory
from bridge.runtime.session import CallSession, Surroundings
from tests.call.stage import Straight, record

LINE = Line("+15550100", ("support", "backup"), max_duration_s=900.0, variables={"shop": "north", "plan": "basic"})
RULES = {
    "support": AgentRules(start_timeout_s=3.0, uplink_chunk_ms=100, sensitivity="high"),
    "backup": AgentRules(prewarm=False, start_timeout_s=9.0),
    "sales": AgentRules(start_timeout_s=7.0),
}


def factory(**more: Any) -> SessionFactory:
    """Of one instance."""
    around = Surroundings(agents={}, saved=lambda _: None, closing=lambda *_: None, run_tool=lambda *_: None)
    given: dict[str, Any] = {"convert": Straight, "level": lambda _: 0.0, "prompts": {"closing": b"x"}, **more}
    return SessionFactory(surroundings=around, rules=RULES, **given)


async def test_the_lines_agent_answers_by_its_own_rules() -> None:
    """Its backups after it; limits, chunks and ear are those of the first."""
    plan = factory(prewarm_hold_s=4.0).make(record(), LINE).plan
    assert plan.agents == ("support", "backup")
    assert (plan.start_timeout_s, plan.uplink_chunk_ms, plan.sensitivity) == (3.0, 100, "high")
    assert (plan.max_duration_s, plan.prewarm_hold_s) == (900.0, 4.0)
    assert (plan.prewarm, plan.resumed, plan.has_fallback) == (True, False, False)
    assert plan.prompts == {"closing": b"x"}


async def test_an_agent_that_was_asked_for_comes_first_and_once() -> None:
    """The line's own stand behind it, by the first one's rules; nobody is there twice."""
    found = factory().make(record(), LINE, agent="sales").plan
    assert found.agents == ("sales", "support", "backup")
    assert found.start_timeout_s == 7.0
    assert factory().make(record(), LINE, agent="backup").plan.agents == ("backup", "support")


async def test_an_agent_is_asked_before_the_stream_only_where_all_agree() -> None:
    """The agent's rules and the house's room."""
    assert factory().make(record(), LINE, prewarm=True).plan.prewarm
    assert not factory().make(record(), LINE, prewarm=False).plan.prewarm
    assert not factory().make(record(), LINE, agent="backup", prewarm=True).plan.prewarm


async def test_a_line_with_words_or_a_number_has_a_fallback() -> None:
    """Either will do."""
    assert factory().make(record(), replace(LINE, fallback_say="Sorry.")).plan.has_fallback
    assert factory().make(record(), replace(LINE, fallback_dial="+15550177")).plan.has_fallback


async def test_what_the_call_brings_wins_over_the_line() -> None:
    """Variables of both; overrides as given."""
    made = factory().make(record(), LINE, variables={"plan": "gold"}, overrides={"prompt": "Be brief."})
    brief = made.brief(resumed=False)
    assert brief.variables == {"shop": "north", "plan": "gold"}
    assert brief.prompt == "Be brief."
    assert LINE.variables["plan"] == "basic"


async def test_a_call_is_as_old_as_its_record() -> None:
    """Its clock counts from the offer; a record from the future (another machine's clock) is taken as new."""
    old = factory().make(replace(record(), created_at=datetime.now(UTC) - timedelta(seconds=30)), LINE)
    assert 30 <= old.now < 31
    early = factory().make(replace(record(), created_at=datetime.now(UTC) + timedelta(hours=1)), LINE)
    assert 0 <= early.now < 1


async def test_what_is_prepared_is_prepared_for_new_calls_only() -> None:
    """A call that is resumed has had it."""
    prepared: list[CallSession] = []
    made = factory(prepare=prepared.append)
    session = made.make(record(), LINE)
    assert prepared == [session]
    assert made.make(record(), LINE, resumed=True).plan.resumed
    assert prepared == [session]
