"""bridge/tools/roll.py."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.errors import Reason, StoreUnavailable
from bridge.store.busy import Elsewhere
from bridge.tools.asking import ToolCall, ToolProblem
from bridge.tools.roll import QUIET_S, Roll

from .conftest import Live


def there(number: int = 9) -> Elsewhere:
    """A call of another instance."""
    return Elsewhere(f"call_{number}", "b", "support", "+15550199999")


class Scene:
    """Live calls, a clock, and the roll over both."""

    def __init__(self, *live: Live) -> None:
        self.live = list(live)
        self.now = 1000.0
        self.away: list[Elsewhere] = []
        self.unclear = False
        self.store: Exception | None = None
        self.roll = Roll(lambda: self.live, others=self, clock=lambda: self.now)
        for each in live:
            self.roll.observe(each.record)

    async def named(self, call_id: str) -> Elsewhere | None:
        """Of the other instances."""
        if self.store is not None:
            raise self.store
        return next((each for each in self.away if each.call_id == call_id), None)

    async def of(self, agent: str, quiet_s: float) -> tuple[list[Elsewhere], bool]:
        """Of the other instances."""
        if self.store is not None:
            raise self.store
        return [each for each in self.away if each.agent == agent], self.unclear

    def end(self, live: Live) -> None:
        """The call is over."""
        live.record.finish(Reason.CALLER_HANGUP, datetime.now(UTC))
        self.roll.observe(live.record)
        self.live.remove(live)

    async def find(self, *, acts: bool = True, agent: str = "support", **arguments: Any) -> str:
        """The id of the call that is found, or the kind of the problem."""
        try:
            found = await self.roll.find(ToolCall(agent, "x", arguments, {}), acts=acts)
        except ToolProblem as problem:
            return problem.kind
        return f"{found.call_id} on {found.instance}" if isinstance(found, Elsewhere) else found.record.call_id


@pytest.mark.parametrize("acts", [True, False])
async def test_either_id_finds_the_call(acts: bool) -> None:
    """A call_id, ours or the carrier's, finds its call among many."""
    scene = Scene(Live(1), Live(2))
    assert await scene.find(call_id="call_2", acts=acts) == "call_2"
    assert await scene.find(call_id=scene.live[0].record.carrier_call_id, acts=acts) == "call_1"


async def test_an_agent_reaches_only_its_own_calls() -> None:
    """The secret of one agent opens no call of another."""
    scene = Scene(Live(1, agent="booking"))
    assert await scene.find(call_id="call_1") == "no_call"
    assert await scene.find() == "no_call"


async def test_the_only_live_call_is_meant_without_an_id() -> None:
    """Where an agent has one call and had no other, that is the one."""
    scene = Scene(Live(1), Live(2, agent="booking"))
    assert await scene.find() == "call_1"


async def test_two_calls_at_once_are_not_guessed_between() -> None:
    """With two calls of the agent the answer is a problem, for tools that act and for others."""
    scene = Scene(Live(1), Live(2, person="+15550199999"))
    assert await scene.find() == "ambiguous"
    assert await scene.find(acts=False) == "ambiguous"


async def test_a_late_tool_call_never_acts_on_the_next_call() -> None:
    """For 30 s after an agent's call ended, its next call is not taken for granted."""
    former = Live(1)
    scene = Scene(former)
    scene.end(former)
    following = Live(2)
    scene.live.append(following)
    scene.roll.observe(following.record)
    scene.now += QUIET_S - 0.1
    assert await scene.find() == "ambiguous"
    assert await scene.find(acts=False) == "ambiguous"
    scene.now += 0.2
    assert await scene.find() == "call_2"


async def test_an_agent_that_was_replaced_has_left_the_call() -> None:
    """A failover to a backup counts as the end of the first agent's call."""
    first = Live(1)
    scene = Scene(first)
    first.record.agent = "booking"
    scene.roll.observe(first.record)
    other = Live(2)
    scene.live.append(other)
    scene.roll.observe(other.record)
    assert await scene.find() == "ambiguous"


async def test_a_call_that_another_instance_took_counts_as_left() -> None:
    """A session that vanished without an end is no ghost, and its agent has left it just now."""
    taken, ending = Live(1), Live(2, agent="booking")
    scene = Scene(taken, ending)
    scene.live.remove(taken)
    scene.end(ending)
    scene.live.append(Live(3))
    assert await scene.find() == "ambiguous"
    scene.now += QUIET_S + 1
    assert await scene.find() == "call_3"


async def test_a_phone_number_alone_never_acts() -> None:
    """A number narrows the search, but an agent with two calls must give the id where the tool acts on the call."""
    scene = Scene(Live(1), Live(2, person="+15550199999"))
    assert await scene.find(phone_number="+15550199999") == "ambiguous"
    assert await scene.find(phone_number="+15550199999", acts=False) == "call_2"
    assert await scene.find(phone_number="+15550000000", acts=False) == "no_call"


async def test_a_number_of_somebody_else_is_no_proof() -> None:
    """A call_id with another person's number is refused."""
    scene = Scene(Live(1))
    assert await scene.find(call_id="call_1", phone_number="+15550199999") == "wrong_call"
    assert await scene.find(phone_number="+15550199999") == "no_call"


async def test_calls_on_other_instances_count() -> None:
    """A call elsewhere, one that may be, or a store that cannot tell, makes the only one here uncertain; an id does not
    need them.
    """
    scene = Scene(Live(1))
    scene.away = [there()]
    assert await scene.find() == "ambiguous"
    assert await scene.find(acts=False) == "ambiguous"
    scene.away, scene.unclear = [], True
    assert await scene.find() == "ambiguous"
    scene.unclear, scene.store = False, StoreUnavailable("away")
    assert await scene.find() == "ambiguous"
    assert await scene.find(call_id="call_1") == "call_1"


async def test_a_call_on_another_instance_is_found() -> None:
    """By its id, or as the agent's only one; never by another agent, and with its own person's number only."""
    scene = Scene(Live(1, agent="booking"))
    scene.away = [there()]
    assert await scene.find(call_id="call_9") == "call_9 on b"
    assert await scene.find() == "call_9 on b"
    assert await scene.find(phone_number="+15550199999") == "call_9 on b"
    assert await scene.find(phone_number="+15550199999", acts=False) == "call_9 on b"
    assert await scene.find(phone_number="+15550000000") == "no_call"
    assert await scene.find(call_id="call_9", phone_number="+15550000000") == "wrong_call"
    assert await scene.find(call_id="call_9", agent="booking") == "no_call"
    scene.away.append(there(8))
    assert await scene.find() == "ambiguous"
    assert await scene.find(call_id="call_8") == "call_8 on b"


async def test_a_late_tool_call_never_acts_on_the_next_call_elsewhere() -> None:
    """The 30 s count over all instances, whichever had the former call."""
    former = Live(1)
    scene = Scene(former)
    scene.end(former)
    scene.away = [there()]
    assert await scene.find() == "ambiguous"
    scene.now += QUIET_S + 1
    assert await scene.find() == "call_9 on b"
    scene.unclear = True
    assert await scene.find() == "ambiguous"
