"""Transfers to a person: cold, warm, and back to the agent where nobody takes the call."""

from pathlib import Path

import pytest

from bridge.call import events as e
from bridge.errors import Reason
from tests.standins.twilio import DialResult
from tests.support.scene import Scene, eventually, scene

DESK = "+15550777"
COLD = f'[transfers]\nreception = "{DESK}"\n'
WARM = f'[transfers.reception]\nnumber = "{DESK}"\nmode = "warm"\ntimeout_s = 20\n'


def hand_over(cast: Scene, sid: str) -> None:
    """The agent asks for it."""
    live = cast.house.switchboard.find(sid)
    assert live is not None
    live.handle(e.TransferRequested("reception", Reason.AGENT_TRANSFERRED))


@pytest.mark.parametrize("how", ["busy", "no-answer", "failed"])
async def test_a_person_who_does_not_take_it_gives_the_call_back(tmp_path: Path, how: str) -> None:
    """The agent comes back with what was said, and the record tells of it."""
    async with scene(tmp_path, more=COLD) as cast:
        cast.carrier.dial_results[DESK] = DialResult(how, 0.1)
        call, session = await cast.talking()
        await session.say(0.3, text="One moment, I will connect you.")
        await call.hears(0.2)
        hand_over(cast, call.sid)
        assert await session.gone(timeout=2.0) == 1000
        again = await cast.xuna.session()
        await call.streaming(count=2)
        assert "One moment" in again.variables["previous_transcript"]
        assert again.variables["transfer_failed"] == "reception"
        assert "nobody can take your call" in again.overrides["agent"]["first_message"]
        await again.close(1000)
        assert await call.ended() == "completed"
        record = await cast.record(call)
        assert record.outcome is Reason.AGENT_HANGUP
        assert [each["why"] for each in record.events if each["type"] == "transfer_failed"] == [how]


async def test_a_call_that_was_taken_ends_when_the_person_does(tmp_path: Path) -> None:
    """The outcome is the transfer; nothing follows."""
    async with scene(tmp_path, more=COLD) as cast:
        cast.carrier.dial_results[DESK] = DialResult("completed", 0.2)
        call, _ = await cast.talking()
        hand_over(cast, call.sid)
        assert await call.ended() == "completed"
        record = await cast.record(call)
        assert record.outcome is Reason.AGENT_TRANSFERRED
        assert len(call.streams) == 1


async def test_a_caller_who_hangs_up_while_it_rings_ends_the_call(tmp_path: Path) -> None:
    """Nobody is called back, no agent is fetched."""
    async with scene(tmp_path, more=COLD) as cast:
        cast.carrier.dial_results[DESK] = DialResult("no-answer", 30.0)
        call, _ = await cast.talking()
        hand_over(cast, call.sid)

        async def rings() -> bool:
            return bool(call.dialled)

        await eventually(rings, "the person to be dialled")
        await call.hang_up()
        record = await cast.record(call)
        assert record.outcome is Reason.CALLER_HANGUP
        assert len(call.streams) == 1
        await cast.idle()


async def test_whoever_takes_a_warm_transfer_hears_what_it_is_about(tmp_path: Path) -> None:
    """A summary is spoken to them before they are connected; it is asked for at a signed address."""
    async with scene(tmp_path, more=WARM) as cast:
        cast.carrier.dial_results[DESK] = DialResult("completed", 0.5)
        call, _ = await cast.talking()
        live = cast.house.switchboard.find(call.sid)
        assert live is not None
        live.record.detail["transfer_summary"] = "Ada wants to move her appointment."
        call_id = live.record.call_id
        hand_over(cast, call.sid)

        async def rings() -> bool:
            return bool(call.dialled)

        await eventually(rings, "the person to be dialled")
        (dialled,) = call.dialled
        assert dialled.verb.get("timeout") == "20"
        url = dialled.verb.children[0].get("url")
        assert url.partition("#")[0].endswith(f"/twilio/whisper?call={call_id}")
        form = [*call.form()]
        exchange = await cast.carrier.hooks.ask("whisper", url, form)
        assert exchange.status == 200
        assert "Ada wants to move her appointment." in exchange.body
        cast.carrier.signing = "wrong"
        refused = await cast.carrier.hooks.ask("whisper", url.partition("#")[0], form)
        assert refused.status == 403
        cast.carrier.signing = "right"
        assert await call.ended() == "completed"


async def test_a_call_is_not_transferred_for_ever(tmp_path: Path) -> None:
    """After three transfers the agent keeps the call."""
    async with scene(tmp_path, more=COLD) as cast:
        cast.carrier.dial_results[DESK] = DialResult("busy", 0.0)
        call, session = await cast.talking()
        live = cast.house.switchboard.find(call.sid)
        assert live is not None
        live.record.detail["transfers"] = 3
        hand_over(cast, call.sid)
        assert await session.gone(timeout=2.0) == 1000
        again = await cast.xuna.session()
        await call.streaming(count=2)
        assert not call.dialled
        await again.close(1000)
        assert await call.ended() == "completed"


async def test_a_call_is_transferred_as_often_as_the_configuration_says(tmp_path: Path) -> None:
    """Four times here: nobody takes it, and each time the agent gets the caller back; the fifth time nobody is dialled."""
    async with scene(tmp_path, more=f"{COLD}[limits]\ntransfers = 4\n") as cast:
        cast.carrier.dial_results[DESK] = DialResult("busy", 0.0)
        call, session = await cast.talking()

        async def on_the_line() -> bool:
            live = cast.house.switchboard.find(call.sid)
            return live is not None and live.phone_socket is not None

        for times in range(1, 6):
            await eventually(on_the_line, "the caller's stream")
            hand_over(cast, call.sid)
            assert await session.gone(timeout=2.0) == 1000
            session = await cast.xuna.session()
            await call.streaming(count=times + 1)
            assert len(call.dialled) == min(times, 4)
        await session.close(1000)
        assert await call.ended() == "completed"
        assert (await cast.record(call)).outcome is Reason.AGENT_HANGUP
