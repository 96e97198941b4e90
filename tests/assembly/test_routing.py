"""Lines and who gets through to them, as the configuration has them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.assembly.routing import Routing, limits_of
from bridge.call.record import CallRecord, Direction
from bridge.call.routing import Admitted, TurnedAway
from bridge.errors import Reason
from bridge.settings import Settings
from tests.support.receiver import Receiver

FIRST, SECOND, CALLER = "+12125550100", "+12125550101", "+15550123456"
AGENTS = """
[agents.support]
provider = "xuna"
agent_id = "agent_7"
api_key = "xi-key-of-a-test"
[agents.booking]
provider = "kura"
assistant_id = 12
api_key = "kura_live_of_a_test"
base_url = "http://127.0.0.1:9"
[agents.demo]
provider = "demo"
"""


def settings(tmp_path: Path, lines: str, more: str = "") -> Settings:
    """With these lines, told of ``support``, ``booking`` and ``demo``."""
    file = tmp_path / "bridge.toml"
    file.write_text(f'public_url = "https://bridge.example.com"\n{more}\n{AGENTS}\n{lines}')
    return Settings.load(str(file), {}, serving=False)


def line(number: str = FIRST, agent: str = "support", more: str = "") -> str:
    """A table of ``[[lines]]``."""
    return f'[[lines]]\nnumber = "{number}"\nagent = "{agent}"\n{more}\n'


def call(number: str = FIRST, caller: str = CALLER, agent: str = "support") -> CallRecord:
    """One that has just come in."""
    return CallRecord("call_1", Direction.INBOUND, caller, number, number, agent, datetime.now(UTC))


class Tasks:
    """What was begun on the side, by name."""

    def __init__(self) -> None:
        self.begun: dict[str, asyncio.Task[Any]] = {}

    def spawn(self, work: Any, *, name: str) -> None:
        """Begin it."""
        self.begun[name] = asyncio.create_task(work)


@pytest.fixture
async def tasks() -> AsyncIterator[Tasks]:
    """All of which end with the test."""
    made = Tasks()
    yield made
    for task in made.begun.values():
        task.cancel()
    await asyncio.gather(*made.begun.values(), return_exceptions=True)


async def decided(routing: Routing, record: CallRecord, *, attestation: str = "") -> Admitted | TurnedAway:
    """What becomes of a call."""
    return await routing.router.route(record, routing.lines[record.line], attestation=attestation)


def test_a_line_is_as_it_was_written(tmp_path: Path, tasks: Tasks) -> None:
    """Its agents in order, its fallback, its limit and its variables."""
    more = 'backup_agents = ["booking", "demo"]\nmax_duration_s = 90\nfallback = { say = "Later.", dial = "+12125550199" }\n'
    made = Routing(settings(tmp_path, line(more=more + 'variables = { shop = "north" }')), tasks.spawn)
    found = made.lines[FIRST]
    assert found.agents == ("support", "booking", "demo")
    assert (found.fallback_say, found.fallback_dial) == ("Later.", "+12125550199")
    assert (found.max_duration_s, dict(found.variables)) == (90, {"shop": "north"})


async def test_who_is_let_in_is_the_lines_own(tmp_path: Path, tasks: Tasks) -> None:
    """Blocked, withheld and too badly attested callers are turned away on the line that says so, and on no other."""
    rules = f'[lines.callers]\nblock = ["{CALLER}"]\nwithheld = "refuse"\nattestation = "B"\nsay = "No."'
    made = Routing(settings(tmp_path, line(more=rules) + line(SECOND)), tasks.spawn)
    away = TurnedAway(Reason.CALLER_BLOCKED, say="No.")
    assert await decided(made, call(), attestation="A") == away
    assert await decided(made, call(caller=""), attestation="A") == away
    assert await decided(made, call(caller="+15550999"), attestation="C") == away
    assert await decided(made, call(caller="+15550999"), attestation="B") == Admitted()
    assert await decided(made, call(SECOND)) == Admitted()
    assert await decided(made, call(SECOND, caller="")) == Admitted()


async def test_any_attestation_asks_for_none(tmp_path: Path, tasks: Tasks) -> None:
    """A caller of whom the carrier vouches for nothing comes in where the line does not say otherwise."""
    made = Routing(settings(tmp_path, line(more='[lines.callers]\nattestation = "any"')), tasks.spawn)
    assert await decided(made, call(), attestation="") == Admitted()


async def test_a_closed_line_says_its_own_words_or_the_houses(tmp_path: Path, tasks: Tasks) -> None:
    """Another agent, else words and a number, else the words of [prompts]."""
    today = datetime.now(UTC).date()
    closed = '[lines.hours]\nzone = "UTC"\nopen = ["mon-sun 00:00-24:00"]\n'
    closed += f'holidays = ["{today}", "{today + timedelta(days=1)}"]\n'
    lines = (
        line(more=closed)
        + line(SECOND, more=closed + 'say = "Closed."\ndial = "+12125550199"')
        + line("+12125550102", more=closed + 'agent = "booking"')
    )
    made = Routing(settings(tmp_path, lines, '[prompts]\nclosed = "The house is closed."'), tasks.spawn)
    assert await decided(made, call()) == TurnedAway(Reason.OUTSIDE_HOURS, say="The house is closed.")
    assert await decided(made, call(SECOND)) == TurnedAway(Reason.OUTSIDE_HOURS, say="Closed.", dial="+12125550199")
    assert await decided(made, call("+12125550102")) == Admitted(agent="booking")


def test_a_crowded_line_diverts_where_it_says_so(tmp_path: Path, tasks: Tasks) -> None:
    """Without an overflow its fallback stands."""
    lines = line(more='overflow = { say = "Full.", dial = "+12125550199" }') + line(SECOND)
    made = Routing(settings(tmp_path, lines), tasks.spawn)
    full = made.router.crowded(made.lines[FIRST])
    assert (full.fallback_say, full.fallback_dial) == ("Full.", "+12125550199")
    assert made.router.crowded(made.lines[SECOND]) == made.lines[SECOND]


@pytest.mark.parametrize(("agent", "told"), [("support", "agent_7"), ("booking", "12"), ("demo", "demo")])
async def test_a_look_up_is_told_the_agent_by_its_providers_name(
    agent: str, told: str, tmp_path: Path, tasks: Tasks
) -> None:
    """The business system knows the agent as its provider does; the headers of the configuration go along."""
    async with Receiver() as receiver:
        receiver.answer = lambda request: receiver.close(request, {"dynamic_variables": {"name": "Ada"}})
        more = (
            f'[lines.lookup]\nurl = "http://127.0.0.1:{receiver.port}/who"\nallow_private = true\n'
            '[lines.lookup.headers]\nX-Shop = "north"\n'
        )
        made = Routing(settings(tmp_path, line(agent=agent, more=more)), tasks.spawn)
        assert await decided(made, call(agent=agent)) == Admitted(variables={"name": "Ada"})
        await made.close()
        (asked,) = receiver.deliveries
        assert (asked.body["agent_id"], asked.body["caller_id"]) == (told, CALLER)
        assert asked.headers["x-shop"] == "north"


@pytest.mark.parametrize(
    ("failure", "becomes"),
    [
        ("continue", Admitted()),
        ("refuse", TurnedAway(Reason.CALLER_BLOCKED, say="We cannot take your call. Goodbye.")),
    ],
)
async def test_a_look_up_that_fails_does_what_its_line_says(
    failure: str, becomes: Admitted | TurnedAway, tmp_path: Path, tasks: Tasks
) -> None:
    """The caller is let in without it, or is not."""
    more = f'[lines.lookup]\nurl = "http://127.0.0.1:9/"\nallow_private = true\non_failure = "{failure}"\n'
    made = Routing(settings(tmp_path, line(more=more)), tasks.spawn)
    assert await decided(made, call()) == becomes
    await made.close()


async def test_read_again_everything_changes_at_once_and_in_place(tmp_path: Path, tasks: Tasks) -> None:
    """Nothing before the commit; then whoever holds the tables sees the new ones, and former look-ups are given up."""
    made = Routing(settings(tmp_path, line(), '[transfers]\nreception = "+12125550198"'), tasks.spawn)
    lines, transfers = made.lines, made.transfers
    rules = f'[lines.callers]\nblock = ["{CALLER}"]\n'
    commit = await made.prepare(
        settings(tmp_path, line(SECOND, "booking", rules), '[transfers]\nback_office = "+12125550197"')
    )
    assert (list(lines), list(transfers)) == ([FIRST], ["reception"])
    assert tasks.begun == {}
    commit()
    assert (list(lines), list(transfers)) == ([SECOND], ["back_office"])
    assert lines[SECOND].agents == ("booking",)
    assert await decided(made, call(SECOND)) == TurnedAway(Reason.CALLER_BLOCKED)
    assert list(tasks.begun) == ["former look-ups"]


async def test_a_look_up_under_way_outlives_the_configuration_that_named_it(tmp_path: Path, tasks: Tasks) -> None:
    """Its connection is closed later, when what was asked over it must have been answered."""
    asked, go = asyncio.Event(), asyncio.Event()
    async with Receiver() as receiver:

        async def slowly(request: Any) -> Any:
            asked.set()
            await go.wait()
            return await receiver.close(request, {"dynamic_variables": {"name": "Ada"}})

        receiver.answer = slowly
        url = f"http://127.0.0.1:{receiver.port}/who"
        more = f'[lines.lookup]\nurl = "{url}"\nallow_private = true\ntimeout_s = 10\n'
        made = Routing(settings(tmp_path, line(more=more)), tasks.spawn)
        deciding = asyncio.create_task(decided(made, call()))
        async with asyncio.timeout(5):
            await asked.wait()
        (await made.prepare(settings(tmp_path, line())))()
        go.set()
        assert await deciding == Admitted(variables={"name": "Ada"})
        await made.close()


def test_the_limits_are_those_of_the_configuration(tmp_path: Path) -> None:
    """Each under its own name."""
    more = (
        "max_calls = 30\n[limits]\ncalls_per_caller = 2\ncalls_per_caller_per_hour = 9\n"
        "agent_minutes_per_day = 600\nloop_lag_ms = 80\nprewarmed = 4\n"
    )
    found = limits_of(settings(tmp_path, line(), more))
    assert (found.max_calls, found.max_calls_per_caller, found.max_calls_per_caller_hour) == (30, 2, 9)
    assert (found.agent_minutes_per_day, found.loop_lag_s, found.prewarmed) == (600, 0.08, 4)


def test_a_limit_of_nought_is_none(tmp_path: Path) -> None:
    """One caller may then have every line, and a loop may be as late as it likes."""
    found = limits_of(settings(tmp_path, line(), "max_calls = 30\n[limits]\ncalls_per_caller = 0\nloop_lag_ms = 0\n"))
    assert found.max_calls_per_caller == 30
    assert found.loop_lag_s >= 3600
