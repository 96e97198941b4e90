"""Which instance answers whom by text."""

import asyncio
from datetime import timedelta

from bridge.store.conversations import Conversations, Hold
from bridge.store.database import Database
from bridge.store.instances import Instances

KEY = "sms:+15550123456:+15550100"


async def claim(holds: Conversations, *, hold_s: float = 60.0, agent: str = "support") -> Hold:
    """A message came."""
    return await holds.claim(KEY, agent=agent, person="+15550123456", hold_s=hold_s)


async def two(database: Database) -> tuple[Conversations, Conversations]:
    """Of instances that live."""
    for name in ("a", "b"):
        await Instances(database).beat(name, active_calls=0)
    return Conversations(database, "a"), Conversations(database, "b")


async def test_whoever_gets_the_first_message_answers_the_others(database: Database) -> None:
    """Also those that come to another instance."""
    a, b = await two(database)
    assert await claim(a) == Hold("a", "support")
    assert await claim(b) == Hold("a", "support")
    assert await claim(a) == Hold("a", "support")


async def test_of_two_that_claim_at_once_one_has_it(database: Database) -> None:
    """And both know which."""
    a, b = await two(database)
    found = await asyncio.gather(*(claim(each) for _ in range(5) for each in (a, b)))
    assert len({hold.instance for hold in found}) == 1


async def test_a_conversation_is_free_when_nobody_has_written_for_its_time(database: Database) -> None:
    """The next message may have another instance; each message counts anew."""
    a, b = await two(database)
    await claim(a, hold_s=0.0)
    assert await claim(b) == Hold("b", "support", former="a")


async def test_an_instance_without_a_sign_of_life_loses_it(database: Database) -> None:
    """Whoever takes it is told from whom; the dead one's session is not taken for the new one's."""
    b = Conversations(database, "b")
    a = Conversations(database, "a")
    await Instances(database).beat("b", active_calls=0)
    await b.claim("another", agent="support", person="", hold_s=60.0)
    await claim(a)
    await a.opened(KEY, "text_1")
    assert await claim(b) == Hold("b", "support", former="a")
    assert await claim(a) == Hold("b", "support")


async def test_the_session_of_a_conversation_is_known_until_it_ends(database: Database) -> None:
    """Only whoever has the conversation says so; another agent's is another one."""
    a, b = await two(database)
    await claim(a)
    await a.opened(KEY, "text_1")
    await b.opened(KEY, "text_2")
    assert await b.find(KEY) == Hold("a", "support", "text_1")
    assert (await claim(a)).call_id == "text_1"
    await a.closed("text_1")
    assert (await claim(a)).call_id == ""
    await a.opened(KEY, "text_3")
    assert (await claim(a, agent="sales")).call_id == ""


async def test_old_ones_are_forgotten(database: Database) -> None:
    """Not those in which somebody may still write."""
    a, _ = await two(database)
    await claim(a)
    await a.purge(after=timedelta(0))
    assert await a.find(KEY) is not None
    await claim(a, hold_s=-1.0)
    await a.purge(after=timedelta(hours=1))
    assert await a.find(KEY) is not None
    await a.purge(after=timedelta(0))
    assert await a.find(KEY) is None
