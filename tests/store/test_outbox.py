"""bridge/store/outbox.py."""

from datetime import UTC, datetime, timedelta

from bridge.store.database import Database
from bridge.store.outbox import Letter, Outbox


def letter(number: int, *, channel: str = "event:crm", lane: str = "call_1", delay_s: float = 0.0) -> Letter:
    """A message."""
    return Letter(channel, f"msg_{number}", f'{{"n":{number}}}', lane=lane, kind="turn", delay_s=delay_s)


async def claimed(outbox: Outbox, *channels: str, limit: int = 10, lease_s: float = 60.0) -> list[str]:
    """The ids that are handed out."""
    return [each.message_id for each in await outbox.claim(channels or ("event:crm",), lease_s=lease_s, limit=limit)]


async def test_a_lane_keeps_its_order(database: Database) -> None:
    """Of one call only the oldest message is handed out, and the next when that one has arrived."""
    outbox = Outbox(database)
    await outbox.put([letter(1), letter(2), letter(3, lane="call_2")])
    assert await claimed(outbox) == ["msg_1", "msg_3"]
    assert await claimed(outbox) == []
    await outbox.done("msg_1")
    assert await claimed(outbox) == ["msg_2"]


async def test_what_a_dead_process_had_is_taken_up_again(database: Database) -> None:
    """A lease that ran out is no lease."""
    outbox = Outbox(database)
    await outbox.put([letter(1)])
    assert await claimed(outbox, lease_s=0.0) == ["msg_1"]
    again = await outbox.claim(["event:crm"], lease_s=60, limit=1)
    assert [(each.message_id, each.attempts, each.body) for each in again] == [("msg_1", 2, '{"n":1}')]


async def test_the_same_message_is_kept_once(database: Database) -> None:
    """By its id."""
    outbox = Outbox(database)
    await outbox.put([letter(1), letter(1)])
    await outbox.put([letter(1)])
    assert await outbox.counts() == {"waiting": 1, "dead": 0}


async def test_nothing_is_handed_out_before_its_time(database: Database) -> None:
    """A delay, a retry's pause, and other channels."""
    outbox = Outbox(database)
    await outbox.put([letter(1, delay_s=60), letter(2, lane="call_2"), letter(3, channel="tool:book")])
    assert await claimed(outbox) == ["msg_2"]
    await outbox.again("msg_2", after_s=60, error="timeout")
    assert await claimed(outbox) == []
    await outbox.hasten("call_1", "turn")
    assert await claimed(outbox) == ["msg_1"]


async def test_a_dead_letter_holds_up_nothing_and_can_be_sent_again(database: Database) -> None:
    """It is listed with why, its lane goes on, and sent again it comes first."""
    outbox = Outbox(database)
    await outbox.put([letter(1), letter(2)])
    await claimed(outbox)
    await outbox.bury("msg_1", error="refused")
    dead = await outbox.list(dead=True)
    assert [(each.message_id, each.error, each.attempts) for each in dead] == [("msg_1", "refused", 1)]
    assert [each.message_id for each in await outbox.list(dead=False)] == ["msg_2"]
    assert await outbox.resend(["msg_9"]) == 0
    assert await outbox.resend() == 1
    assert await claimed(outbox) == ["msg_1"]


async def test_old_dead_letters_are_forgotten(database: Database) -> None:
    """Only dead ones."""
    outbox = Outbox(database)
    await outbox.put([letter(1), letter(2)])
    await outbox.bury("msg_1", error="refused")
    assert await outbox.purge(datetime.now(UTC) + timedelta(days=1)) == 1
    assert await outbox.counts() == {"waiting": 1, "dead": 0}
