"""What may befall a call while it is handed over to a person, in every phase of it."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from bridge.call.record import Status
from bridge.errors import Reason
from tests.end_to_end.test_transfers import COLD, DESK, WARM, hand_over
from tests.standins.twilio import DialResult
from tests.standins.twilio.call import PhoneCall
from tests.support.house import API_KEY
from tests.support.scene import Scene, eventually, scene


async def rings(call: PhoneCall) -> None:
    """Until the person is dialled."""
    await call.pulse.until(lambda: bool(call.dialled), "the person to be dialled")


async def operator(cast: Scene, call: PhoneCall, verb: str, **body: str) -> int:
    """What the operator API answers."""
    url = f"http://127.0.0.1:{cast.house.port}/api/v1/calls/{call.sid}/{verb}"
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with aiohttp.ClientSession(headers=headers) as http, http.post(url, json=body) as answer:
        return answer.status


async def test_a_caller_who_hangs_up_before_anybody_is_dialled(tmp_path: Path) -> None:
    """While the agent's last words are heard: nobody's phone rings."""
    async with scene(tmp_path, more=COLD) as cast:
        call, session = await cast.talking()
        await session.say(2.0, text="One moment, I will connect you.")
        await call.hears(0.2)
        hand_over(cast, call.sid)
        await call.hang_up()
        record = await cast.record(call)
        assert record.outcome is Reason.CALLER_HANGUP
        assert not call.dialled
        await cast.idle()


@pytest.mark.parametrize("lost", ["status", "action"])
async def test_a_caller_who_hangs_up_while_it_rings_whatever_is_told_of_it(tmp_path: Path, lost: str) -> None:
    """The carrier stops the ringing. One of its two requests is lost: the record ends all the same, and nobody is fetched."""
    async with scene(tmp_path, more=COLD) as cast:
        cast.record_s = 6.0  # without the action, how it went may still be told for three seconds
        cast.carrier.dial_results[DESK] = DialResult("no-answer", 30.0)
        if lost == "status":
            cast.carrier.lost_callbacks = {"status"}
        else:
            cast.carrier.action_after_hangup = False
        call, _ = await cast.talking()
        hand_over(cast, call.sid)
        await rings(call)
        await call.hang_up()
        record = await cast.record(call, timeout=6.0)
        assert record.status is Status.COMPLETED
        if lost == "status":
            assert record.outcome is Reason.CALLER_HANGUP
        assert len(call.streams) == 1
        await cast.idle()


async def test_the_end_is_told_before_how_it_went(tmp_path: Path) -> None:
    """The status callback first, the action later, both twice: the caller did not wait, and that is the outcome."""
    async with scene(tmp_path, more=COLD) as cast:
        cast.carrier.dial_results[DESK] = DialResult("no-answer", 30.0)
        cast.carrier.action_after_hangup = False
        call, _ = await cast.talking()
        hand_over(cast, call.sid)
        await rings(call)
        action = call.dialled[0].verb.get("action")
        hung_up = asyncio.create_task(call.hang_up())
        await call.pulse.until(lambda: call.over, "the call to be over")
        extra = [("DialCallStatus", "no-answer"), ("DialCallDuration", "0"), ("DialBridged", "false")]
        for _ in range(2):
            exchange = await cast.carrier.hooks.ask("action", action, [*call.form(), *extra])
            assert "<Hangup" in exchange.body
            await call.tell("completed")
        await hung_up
        record = await cast.record(call)
        assert record.outcome is Reason.CALLER_HANGUP


async def test_a_person_who_goes_while_the_summary_is_spoken_has_not_taken_the_call(tmp_path: Path) -> None:
    """They picked up, and the two were never connected: the agent has the caller back."""
    async with scene(tmp_path, more=WARM) as cast:
        cast.carrier.dial_results[DESK] = DialResult("completed", 0.2, bridged=False)
        call, _ = await cast.talking()
        hand_over(cast, call.sid)
        again = await cast.xuna.session()
        await call.streaming(count=2)
        assert again.variables["transfer_failed"] == "reception"
        await again.close(1000)
        assert await call.ended() == "completed"
        record = await cast.record(call)
        assert [each["why"] for each in record.events if each["type"] == "transfer_failed"] == ["not_bridged"]
        assert record.outcome is Reason.AGENT_HANGUP


async def test_an_agent_that_dies_while_it_hands_over_hands_over(tmp_path: Path) -> None:
    """Its last words are heard, and the person is dialled."""
    async with scene(tmp_path, more=COLD) as cast:
        cast.carrier.dial_results[DESK] = DialResult("completed", 0.2)
        call, session = await cast.talking()
        await session.say(1.0, text="One moment, I will connect you.")
        await call.hears(0.2)
        hand_over(cast, call.sid)
        session.abort()
        assert await call.ended() == "completed"
        record = await cast.record(call)
        assert record.outcome is Reason.AGENT_TRANSFERRED
        assert len(call.dialled) == len(call.streams) == 1


async def test_two_transfers_at_once_are_one(tmp_path: Path) -> None:
    """Whoever comes second is told so, and one phone rings."""
    async with scene(tmp_path, more=COLD + f'second = "{DESK[:-1]}8"\n') as cast:
        cast.carrier.dial_results[DESK] = DialResult("completed", 0.5)
        call, session = await cast.talking()
        await session.say(1.0, text="One moment.")
        await call.hears(0.2)
        answers = [await operator(cast, call, "transfer", to=name) for name in ("reception", "second")]
        await rings(call)
        answers.append(await operator(cast, call, "transfer", to="second"))
        assert answers == [202, 409, 409]
        assert await call.ended() == "completed"
        assert [each.to for each in call.dialled] == [(DESK,)]


@pytest.mark.parametrize("to", ["+19005551234", "nobody", "reception\n+19005551234", "<Number>+19005551234</Number>"])
async def test_nothing_but_a_name_of_ours_is_a_place(tmp_path: Path, to: str) -> None:
    """422, and the call goes on with its agent."""
    async with scene(tmp_path, more=COLD) as cast:
        call, session = await cast.talking()
        assert await operator(cast, call, "transfer", to=to) == 422
        assert not call.dialled
        await session.close(1000)
        await call.ended()


async def test_an_operator_who_hangs_up_while_it_rings_has_hung_up(tmp_path: Path) -> None:
    """The carrier is told, the ringing stops, and whose doing it was is in the record."""
    async with scene(tmp_path, more=COLD) as cast:
        cast.carrier.dial_results[DESK] = DialResult("no-answer", 30.0)
        call, _ = await cast.talking()
        hand_over(cast, call.sid)
        await rings(call)

        async def stored() -> bool:
            record = await cast.house.calls.get(call.sid)
            return record is not None and record.detail.get("then") == "transfer"

        await eventually(stored, "the hand-over to be in the store")
        assert await operator(cast, call, "hangup") == 202
        assert await call.ended() == "completed"
        assert (await cast.record(call)).outcome is Reason.OPERATOR_HANGUP


async def test_a_drain_waits_for_whoever_is_being_connected(tmp_path: Path) -> None:
    """The person is busy: the caller is back with the agent, of a process that was told to go while it rang."""
    async with scene(tmp_path, more="drain_timeout_s = 20\n" + COLD) as cast:
        cast.carrier.dial_results[DESK] = DialResult("busy", 1.5)
        call, _ = await cast.talking()
        hand_over(cast, call.sid)
        await rings(call)
        cast.house.stop()
        again = await cast.xuna.session()
        await call.streaming(count=2)
        await again.say(0.5, text="They are busy. Can I help you?")
        await call.hears(0.3)
        await again.close(1000)
        assert await call.ended() == "completed"
        assert (await cast.record(call)).outcome is Reason.AGENT_HANGUP
        await cast.get_refused()
