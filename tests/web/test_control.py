"""What is asked of live calls from outside."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from bridge.call import events as e
from bridge.call.record import CallRecord, Direction, Status
from bridge.errors import CarrierFailure, Reason
from bridge.store.commands import Command
from bridge.web.control import DIGITS, HANGUP, HOLD, RESUME, SUPERSEDED, TRANSFER, CallControl, NoSuchCall, NotNow, Ways
from tests.web.desk import CALL, Office, kept, voice


class World:
    """What surrounds the calls: carrier, mailbox, what is not written yet, and who is alive."""

    def __init__(self) -> None:
        self.office = Office()
        self.put_: list[tuple[Command, str]] = []
        self.waiting: dict[str, CallRecord] = {}
        self.living = {"two"}
        self.ended: list[str] = []
        self.cancelled: list[str] = []
        self.rings = True
        self.pressed: list[str] = []
        self.changes: list[str] = []
        self.replaced = False
        self.fails = False
        self.control = CallControl(
            Ways("one", self.office.board, self.office.store, self, self, self, self.alive, self)  # type: ignore[arg-type]
        )

    def find(self, any_id: str) -> CallRecord | None:
        """Of the writer: what the store has not been told."""
        return self.waiting.get(any_id)

    async def put(self, command: Command, *, instance: str) -> None:
        """Of the mailbox."""
        self.put_.append((command, instance))

    async def alive(self, instance: str) -> bool:
        """Whether it runs."""
        return instance in self.living

    async def end(self, call_id: str) -> None:
        """Of the carrier."""
        if self.fails:
            raise CarrierFailure("no")
        self.ended.append(call_id)

    async def cancel(self, call_id: str) -> bool:
        """Of the carrier."""
        self.cancelled.append(call_id)
        return self.rings

    async def press(self, session: Any, digits: str) -> None:
        """Of the streams."""
        self.pressed.append(digits)

    async def hold(self, session: Any) -> None:
        """Of the streams."""
        self.changes.append("hold")
        self.replaced = True

    async def resume(self, session: Any) -> None:
        """Of the streams."""
        self.changes.append("resume")
        self.replaced = False

    async def take_up(self, record: CallRecord) -> None:
        """Of the streams."""
        self.changes.append(f"take up {record.call_id}")

    def held(self, session: Any) -> bool:
        """Of the streams."""
        return self.replaced

    def away(self, session: Any) -> bool:
        """Of the streams."""
        return self.replaced


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """One instance that runs."""
    found = World()
    async with found.office:
        yield found


async def test_a_live_call_is_hung_up_by_either_id(world: World) -> None:
    """At once, as the operator's doing."""
    session, _ = await world.office.connected()
    assert await world.control.order(CALL, HANGUP) is session.record
    assert session.record.outcome is Reason.OPERATOR_HANGUP
    other = World()
    async with other.office:
        session, _ = await other.office.connected()
        await other.control.order(session.record.call_id, HANGUP)
        assert session.record.outcome is Reason.OPERATOR_HANGUP


async def test_a_connected_call_is_transferred_and_one_that_rings_is_not(world: World) -> None:
    """Before its stream there is nobody to transfer."""
    await world.office.reception.voice(voice())
    with pytest.raises(NotNow):
        await world.control.order(CALL, TRANSFER, {"to": "desk"})
    other = World()
    async with other.office:
        session, _ = await other.office.connected()
        await other.control.order(CALL, TRANSFER, {"to": "desk"})
        assert session.record.detail["target"] == "desk"
        assert other.office.closings[-1] == e.ClosePhone("transfer", "desk")


async def test_a_call_that_ends_or_is_handed_over_already_is_not_transferred(world: World) -> None:
    """The first decision stands, and whoever comes second is told so: while the last words are heard."""
    session, _ = await world.office.connected()
    session.handle(e.EndRequested(Reason.AGENT_HANGUP, prompt="closing", after_words=True))
    assert not session.machine.over
    with pytest.raises(NotNow):
        await world.control.order(CALL, TRANSFER, {"to": "desk"})
    assert session.record.detail.get("target") is None


async def test_a_call_that_was_handed_over_is_not_handed_over_again(world: World) -> None:
    """It is with the carrier, who dials: two transfers at once are one."""
    session, _ = await world.office.connected()
    await world.control.order(CALL, TRANSFER, {"to": "desk"})
    world.office.store.keep(session.record)
    with pytest.raises(NotNow):
        await world.control.order(CALL, TRANSFER, {"to": "boss"})
    assert [each.target for each in world.office.closings] == ["desk"]


async def test_a_call_that_no_carrier_has_is_not_transferred(world: World) -> None:
    """A softphone's caller stays with the agent: nobody could dial the other side, nor tell how it went."""
    session, _ = await world.office.connected()
    session.record.carrier_call_id = None
    with pytest.raises(NotNow):
        await world.control.order(session.record.call_id, TRANSFER, {"to": "desk"})
    assert session.record.outcome is None
    assert world.office.closings == []


async def test_keys_need_a_stream(world: World) -> None:
    """While there is one they are pressed; else it is said so."""
    session, _ = await world.office.connected()
    await world.control.order(CALL, DIGITS, {"digits": "12#"})
    assert world.pressed == ["12#"]
    session.detach_phone()
    with pytest.raises(NotNow):
        await world.control.order(CALL, DIGITS, {"digits": "1"})
    assert world.pressed == ["12#"]


async def test_a_call_is_held_once_and_resumed_once(world: World) -> None:
    """What is held already, or not held, is said so; a held call takes no keys."""
    await world.office.connected()
    with pytest.raises(NotNow):
        await world.control.order(CALL, RESUME)
    await world.control.order(CALL, HOLD)
    for verb, args in ((HOLD, {}), (DIGITS, {"digits": "1"})):
        with pytest.raises(NotNow):
            await world.control.order(CALL, verb, args)
    await world.control.order(CALL, RESUME)
    with pytest.raises(NotNow):
        await world.control.order(CALL, RESUME)
    assert world.changes == ["hold", "resume"]
    assert world.pressed == []


async def test_a_held_call_is_resumed_to_be_transferred(world: World) -> None:
    """The person is dialled now, and not when the hold is over."""
    session, _ = await world.office.connected()
    await world.control.order(CALL, HOLD)
    await world.control.order(CALL, TRANSFER, {"to": "desk"})
    assert world.changes == ["hold", "resume"]
    assert session.record.detail["target"] == "desk"


async def test_a_call_of_another_carrier_cannot_be_held(world: World) -> None:
    """The softphone knows no TwiML; nothing is asked of anybody."""
    session, _ = await world.office.connected()
    session.record.carrier = "softphone"
    with pytest.raises(NotNow):
        await world.control.order(CALL, HOLD)
    assert world.changes == []


async def test_an_unknown_or_ended_call_is_told_so(world: World) -> None:
    """Two different errors; nothing is asked of the carrier."""
    with pytest.raises(NoSuchCall):
        await world.control.order("call_x", HANGUP)
    world.office.store.keep(kept(status=Status.COMPLETED))
    with pytest.raises(NotNow):
        await world.control.order(CALL, HANGUP)
    assert (world.ended, world.cancelled, world.put_) == ([], [], [])


async def test_what_is_not_written_yet_is_known_already(world: World) -> None:
    """The writer's record is fresher than the store's."""
    world.office.store.keep(kept(status=Status.IN_PROGRESS))
    world.waiting[CALL] = kept(status=Status.COMPLETED)
    assert await world.control.find(CALL) is world.waiting[CALL]
    with pytest.raises(NotNow):
        await world.control.order(CALL, HANGUP)


async def test_a_call_of_another_instance_is_asked_for_there(world: World) -> None:
    """Where that instance lives; the carrier is left alone."""
    record = kept(status=Status.IN_PROGRESS, instance="two")
    world.office.store.keep(record)
    assert await world.control.order(CALL, DIGITS, {"digits": "1"}) is record
    assert world.put_ == [(Command("call_kept", DIGITS, {"digits": "1"}), "two")]
    await world.control.order(CALL, HOLD)
    await world.control.order(CALL, RESUME)
    assert [(command.verb, there) for command, there in world.put_[1:]] == [("hold", "two"), ("resume", "two")]
    assert (world.ended, world.cancelled) == ([], [])


async def test_a_call_whose_process_is_gone_can_only_be_hung_up(world: World) -> None:
    """The carrier ends it; for anything else it is not connected."""
    world.office.store.keep(kept(status=Status.IN_PROGRESS, instance="three"))
    with pytest.raises(NotNow):
        await world.control.order(CALL, DIGITS, {"digits": "1"})
    await world.control.order(CALL, HANGUP)
    assert world.put_ == []
    assert (world.ended, world.cancelled) == ([CALL], [])


async def test_a_held_call_whose_process_is_gone_can_be_resumed(world: World) -> None:
    """Whoever is asked what follows takes it; so it is where the order had been left for the process that is gone. One that is
    not held is not connected.
    """
    record = kept(status=Status.IN_PROGRESS, instance="three")
    record.add_event("stream_started", 10)
    world.office.store.keep(record)
    with pytest.raises(NotNow):
        await world.control.order(CALL, RESUME)
    record.add_event("held", 2000)
    record.add_event("agent_lost", 3000)
    await world.control.order(CALL, RESUME)
    await world.control.obey(Command(CALL, RESUME, {}))
    assert world.changes == ["take up call_kept"] * 2
    record.add_event("stream_replaced", 4000)
    with pytest.raises(NotNow):
        await world.control.order(CALL, RESUME)
    assert world.ended == []


async def test_a_call_that_rings_is_given_up_and_one_that_was_answered_meanwhile_is_ended(world: World) -> None:
    """Of ours: first cancelled, then ended where it was too late for that."""
    world.office.store.keep(kept(direction=Direction.OUTBOUND, status=Status.RINGING))
    await world.control.order(CALL, HANGUP)
    assert (world.ended, world.cancelled) == ([], [CALL])
    world.rings = False
    await world.control.order(CALL, HANGUP)
    assert (world.ended, world.cancelled) == ([CALL], [CALL, CALL])


async def test_a_call_that_was_not_dialled_yet_is_canceled_in_the_store(world: World) -> None:
    """The carrier does not know it; neither does it know the softphone's."""
    queued = kept(carrier_call_id=None, direction=Direction.OUTBOUND)
    world.office.store.keep(queued)
    await world.control.order("call_kept", HANGUP)
    assert (queued.outcome, queued.status) == (Reason.CANCELED, Status.CANCELED)
    soft = kept(call_id="call_soft", carrier="softphone", carrier_call_id="soft1")
    world.office.store.keep(soft)
    await world.control.order("call_soft", HANGUP)
    assert soft.status is Status.CANCELED
    assert (world.ended, world.cancelled) == ([], [])


async def test_a_command_is_obeyed_and_never_raises(world: World) -> None:
    """Done here; unknown verbs, unknown calls, late ones and a refusing carrier are logged and harm nothing."""
    session, _ = await world.office.connected()
    await world.control.obey(Command(CALL, "dance", {}))
    await world.control.obey(Command("call_x", HANGUP, {}))
    await world.control.obey(Command(CALL, DIGITS, {"digits": "5"}))
    assert world.pressed == ["5"]
    await world.control.obey(Command(CALL, HANGUP, {}))
    assert session.record.outcome is Reason.OPERATOR_HANGUP
    record = kept(call_id="call_2", carrier_call_id="CA2", status=Status.IN_PROGRESS)
    world.office.store.keep(record)
    world.fails = True
    await world.control.obey(Command("call_2", HANGUP, {}))
    await world.control.obey(Command("call_2", TRANSFER, {"to": "desk"}))
    assert world.ended == []


async def test_a_superseded_call_is_let_go_without_an_outcome(world: World) -> None:
    """It is another instance's now; of a call that is not here nothing is hung up."""
    session, _ = await world.office.connected()
    await world.control.obey(Command(CALL, SUPERSEDED, {}))
    assert session.machine.over
    assert session.record.outcome is None
    world.office.store.keep(kept(status=Status.IN_PROGRESS))
    await world.control.obey(Command(CALL, SUPERSEDED, {}))
    assert (world.ended, world.cancelled) == ([], [])


async def test_a_verb_that_was_added_is_done_too(world: World) -> None:
    """Whoever has another one."""
    done: list[dict[str, Any]] = []

    async def sing(session: object, args: Any) -> None:
        done.append(dict(args))

    await world.office.connected()
    world.control.verbs["sing"] = sing
    await world.control.order(CALL, "sing", {"song": "x"})
    assert done == [{"song": "x"}]


async def test_a_call_that_has_gone_to_another_instance_is_asked_for_there(world: World) -> None:
    """Its session is here until we are told: what would be asked of that one would be asked of nobody."""
    async with world.office:
        await world.office.reception.voice(voice())
        session = world.office.session
        world.office.store.keep(replace(session.record, instance="two", status=Status.IN_PROGRESS))
        await world.control.order(CALL, HANGUP)
        assert [(command.verb, to) for command, to in world.put_] == [(HANGUP, "two")]
        assert session.record.outcome is None
