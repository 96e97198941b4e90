"""The operator API over calls, against a whole bridge."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.call.record import CallRecord, Direction, Status
from bridge.errors import Reason
from bridge.web import streams
from bridge.web.answers import Words
from tests.standins import sound
from tests.support.deployment import VIEWER, Deployment, deployed

TRANSFERS = '[transfers]\nreception = "+15550777"\n'

WORDS = Words()


@pytest.fixture
async def all_(tmp_path: Path) -> AsyncIterator[Deployment]:
    """A deployment with a transfer."""
    async with deployed(tmp_path, more=TRANSFERS) as deployment:
        yield deployment


async def put(deployment: Deployment, number: int, *, status: Status = Status.COMPLETED, **more: object) -> CallRecord:
    """A record in the store."""
    from datetime import UTC, datetime, timedelta

    record = CallRecord(
        call_id=f"call_{number:04}",
        direction=Direction.INBOUND,
        from_number="+15550123456",
        to_number="+15550100",
        line="+15550100",
        agent="support",
        created_at=datetime.now(UTC) - timedelta(seconds=1000 - number),
        status=status,
        outcome=Reason.CALLER_HANGUP if status.terminal else None,
        instance="another",
    )
    for name, value in more.items():
        setattr(record, name, value)
    await deployment.house.calls.save(record)
    return record


async def test_a_live_call_is_shown_as_it_stands_by_either_id(all_: Deployment) -> None:
    """A call is listed and shown while it lives, by our id and the carrier's."""
    call, _ = await all_.talking()
    listed = (await all_.ask("GET", "/api/v1/calls?status=in_progress")).json
    assert [each["carrier_call_id"] for each in listed["calls"]] == [call.sid]
    call_id = listed["calls"][0]["call_id"]
    for each in (call_id, call.sid):
        shown = await all_.ask("GET", f"/api/v1/calls/{each}", key=VIEWER)
        assert shown.status == 200
        assert shown.json["turns"][0]["text"] == "Hello!"
        assert shown.json["status"] == "in_progress"


async def test_hanging_up_ends_the_call_as_the_operators(all_: Deployment) -> None:
    """POST hangup is answered 202, ends the call, and the record says that an operator did it."""
    call, _ = await all_.talking()
    reply = await all_.ask("POST", f"/api/v1/calls/{call.sid}/hangup")
    assert reply.status == 202
    await call.ended()
    shown = (await all_.ask("GET", f"/api/v1/calls/{call.sid}")).json
    assert shown["outcome"] == {"side": "operator", "class": "success", "reason": "operator_hangup"}
    again = await all_.ask("POST", f"/api/v1/calls/{call.sid}/hangup")
    assert again.status == 409
    assert again.json["remedy"]


async def test_a_transfer_reaches_the_named_place(all_: Deployment) -> None:
    """POST transfer sends the call to the number of that name; an unknown name is refused and changes nothing."""
    call, _ = await all_.talking()
    wrong = await all_.ask("POST", f"/api/v1/calls/{call.sid}/transfer", body={"to": "+15559999"})
    assert wrong.status == 422
    reply = await all_.ask("POST", f"/api/v1/calls/{call.sid}/transfer", body={"to": "reception"})
    assert reply.status == 202
    await call.pulse.until(lambda: bool(call.dialled), "the transfer")
    assert [each.to for each in call.dialled] == [("+15550777",)]
    await call.hang_up()


async def test_digits_are_pressed_while_the_agent_stays(all_: Deployment) -> None:
    """POST digits presses keys for the far end; the same agent session goes on over a new stream."""
    call, session = await all_.talking()
    reply = await all_.ask("POST", f"/api/v1/calls/{call.sid}/digits", body={"digits": "12#"})
    assert reply.status == 202, reply.text
    await call.streaming(count=2)
    assert any('digits="12#"' in twiml for _, twiml in call.documents)
    await session.say(sound.tone(0.5, rate=16000), text="Still here.")
    await call.hears(0.4)
    assert len(all_.xuna.seen("signed_url")) == 1
    assert not call.over
    await session.close(1000)
    assert await call.ended() == "completed"


async def test_digits_that_the_carrier_refuses_leave_the_call_as_it_was(all_: Deployment) -> None:
    """Where the carrier refuses the keys, the operator is told and the conversation goes on over its old stream."""
    call, session = await all_.talking()
    all_.rest.fault("update_call", status=400, body='{"code": 21218, "message": "no", "status": 400}')
    reply = await all_.ask("POST", f"/api/v1/calls/{call.sid}/digits", body={"digits": "1"})
    assert reply.status == 502
    await session.say(sound.tone(0.5, rate=16000), text="Still here.")
    await call.hears(0.4)
    assert len(call.streams) == 1
    await session.close(1000)
    await call.ended()


async def test_a_held_call_is_resumed_and_nothing_is_said_twice(all_: Deployment) -> None:
    """While it is held the caller is told so and the agent's words wait; then the same agent session is heard, once."""
    call, session = await all_.talking()
    await call.silent_for(0.3)
    live = all_.house.switchboard.find(call.sid)
    reply = await all_.ask("POST", f"/api/v1/calls/{call.sid}/hold")
    assert (reply.status, reply.json["status"]) == (202, "in_progress")
    await call.pulse.until(lambda: call.said == [WORDS.hold], "the words of the hold")
    again = await all_.ask("POST", f"/api/v1/calls/{call.sid}/hold")
    assert (again.status, again.json["status"]) == (409, 409)
    await session.say(sound.tone(0.5, rate=16000), text="Still here.")
    reply = await all_.ask("POST", f"/api/v1/calls/{call.sid}/resume")
    assert reply.status == 202, reply.text
    await call.streaming(count=2)
    await call.hears(0.5)
    await call.silent_for(0.3)
    samples = sound.mulaw_decode(call.streams[1].heard)
    assert 0.4 < (abs(samples.astype(int)) > 100).sum() / 8000 < 0.55
    assert all_.house.switchboard.find(call.sid) is live
    assert len(all_.xuna.seen("signed_url")) == 1
    assert (await all_.ask("POST", f"/api/v1/calls/{call.sid}/resume")).status == 409
    await session.close(1000)
    assert await call.ended() == "completed"
    shown = (await all_.ask("GET", f"/api/v1/calls/{call.sid}")).json
    assert [turn["text"] for turn in shown["turns"] if turn["role"] == "agent"] == ["Hello!", "Still here."]
    assert shown["outcome"]["reason"] == "agent_hangup"


async def test_a_forgotten_hold_comes_back_by_itself(all_: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the silence the call streams again, with the agent that it had."""
    monkeypatch.setattr(streams, "HOLD_ROUNDS", 1)
    monkeypatch.setattr(streams, "SILENCE_S", 1)
    call, session = await all_.talking()
    assert (await all_.ask("POST", f"/api/v1/calls/{call.sid}/hold")).status == 202
    await call.streaming(count=2)
    await session.say(sound.tone(0.5, rate=16000), text="Still here.")
    await call.hears(0.4)
    assert (await all_.ask("POST", f"/api/v1/calls/{call.sid}/resume")).status == 409
    assert len(all_.xuna.seen("signed_url")) == 1
    await session.close(1000)
    assert await call.ended() == "completed"


async def test_a_hold_that_is_resumed_in_the_moment_it_comes_back_goes_on(
    all_: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own stream opens while the carrier takes its time over the request: that one is replaced, the agent kept, and
    what it said is heard once.
    """
    monkeypatch.setattr(streams, "HOLD_ROUNDS", 1)
    monkeypatch.setattr(streams, "SILENCE_S", 1)
    call, session = await all_.talking()
    await call.silent_for(0.3)
    assert (await all_.ask("POST", f"/api/v1/calls/{call.sid}/hold")).status == 202
    await call.pulse.until(lambda: call.said == [WORDS.hold], "the words of the hold")
    await session.say(sound.tone(2.0, rate=16000), text="Still here.")

    async def until_it_is_back(_: float) -> None:
        await call.streaming(count=2)
        all_.carrier.stream_delay = 0.6  # longer than a stop is waited upon before it is taken for a hang-up

    monkeypatch.setattr(all_.rest, "pause", until_it_is_back)
    all_.rest.fault("update_call", delay=1.0)
    await asyncio.sleep(0.5)  # of the second that it is held
    assert len(call.streams) == 1
    assert (await all_.ask("POST", f"/api/v1/calls/{call.sid}/resume")).status == 202
    await call.streaming(count=3)
    await call.hears(1.8)
    await call.silent_for(0.3)
    heard = sum(stream.playout.loud for stream in call.streams[1:])
    assert heard / 8000 == pytest.approx(2.0, abs=0.25)
    assert len(all_.xuna.seen("signed_url")) == 1
    await session.close(1000)
    assert await call.ended() == "completed"


async def test_a_held_call_can_be_hung_up_and_transferred(all_: Deployment) -> None:
    """An operator need not resume it first: both are done at once."""
    call, _ = await all_.talking()
    await all_.ask("POST", f"/api/v1/calls/{call.sid}/hold")
    await call.pulse.until(lambda: bool(call.said), "the words of the hold")
    assert (await all_.ask("POST", f"/api/v1/calls/{call.sid}/transfer", body={"to": "reception"})).status == 202
    await call.pulse.until(lambda: bool(call.dialled), "the transfer")
    await call.hang_up()
    call, _ = await all_.talking()
    await all_.ask("POST", f"/api/v1/calls/{call.sid}/hold")
    await call.pulse.until(lambda: bool(call.said), "the words of the hold")
    assert (await all_.ask("POST", f"/api/v1/calls/{call.sid}/hangup")).status == 202
    assert await call.ended() == "completed"


async def test_a_hold_that_the_carrier_refuses_leaves_the_call_as_it_was(all_: Deployment) -> None:
    """The operator is told, and the conversation goes on over its old stream."""
    call, session = await all_.talking()
    all_.rest.fault("update_call", status=400, body='{"code": 21218, "message": "no", "status": 400}')
    assert (await all_.ask("POST", f"/api/v1/calls/{call.sid}/hold")).status == 502
    assert (await all_.ask("POST", f"/api/v1/calls/{call.sid}/resume")).status == 409
    await session.say(sound.tone(0.5, rate=16000), text="Still here.")
    await call.hears(0.4)
    assert len(call.streams) == 1
    await session.close(1000)
    await call.ended()


async def test_who_may_only_look_holds_nobody(all_: Deployment) -> None:
    """A viewer's key is refused both, and the call goes on."""
    call, _ = await all_.talking()
    for verb in ("hold", "resume"):
        assert (await all_.ask("POST", f"/api/v1/calls/{call.sid}/{verb}", key=VIEWER)).status == 403
    assert len(call.streams) == 1
    assert call.said == []
    await call.hang_up()


async def test_a_key_makes_a_request_happen_once(all_: Deployment) -> None:
    """The same Idempotency-Key and body get the same answer, another body 409."""
    call, _ = await all_.talking()
    path, headers = f"/api/v1/calls/{call.sid}/transfer", {"Idempotency-Key": "k-1"}
    first = await all_.ask("POST", path, body={"to": "reception"}, headers=headers)
    second = await all_.ask("POST", path, body={"to": "reception"}, headers=headers)
    assert (first.status, first.json) == (second.status, second.json)
    assert second.headers["Idempotent-Replayed"] == "true"
    other = await all_.ask("POST", path, body={"to": "other"}, headers=headers)
    assert other.status in {409, 422}
    await call.pulse.until(lambda: bool(call.dialled), "the transfer")
    assert len(call.dialled) == 1
    await call.hang_up()


async def test_a_key_whose_request_was_refused_may_be_used_again(all_: Deployment) -> None:
    """A refusal does nothing, so its Idempotency-Key stays free."""
    headers = {"Idempotency-Key": "k-2"}
    assert (await all_.ask("POST", "/api/v1/calls/call_x/hangup", headers=headers)).status == 404
    await put(all_, 1, status=Status.IN_PROGRESS, carrier_call_id=None)
    assert (await all_.ask("POST", "/api/v1/calls/call_0001/hangup", headers=headers)).status == 202


async def test_a_call_that_nobody_holds_is_hung_up_at_the_carrier(all_: Deployment) -> None:
    """Hang-up of a call whose process is gone ends it at the carrier."""
    call, _ = await all_.talking()
    record = await all_.house.calls.get(call.sid)
    assert record is not None
    await put(all_, 2, status=Status.IN_PROGRESS, carrier_call_id="CA" + "f" * 32)
    reply = await all_.ask("POST", "/api/v1/calls/call_0002/hangup")
    assert reply.status == 202
    assert all_.rest.seen("update_call")
    assert (await all_.ask("POST", "/api/v1/calls/call_0002/digits", body={"digits": "1"})).status == 409
    await call.hang_up()


async def test_an_ended_call_can_be_removed_with_the_agents_conversation(all_: Deployment) -> None:
    """DELETE removes the record for good, a live call's is refused, and ?agent=true removes the conversation at the agent."""
    call, session = await all_.talking()
    assert (await all_.ask("DELETE", f"/api/v1/calls/{call.sid}")).status == 409
    await session.close(1000)
    await call.ended()
    removed = await all_.ask("DELETE", f"/api/v1/calls/{call.sid}?agent=true")
    assert removed.status == 204
    assert len(all_.xuna.seen("delete")) == 1
    assert (await all_.ask("GET", f"/api/v1/calls/{call.sid}")).status == 404


async def test_pages_follow_each_other(all_: Deployment) -> None:
    """Every call comes once, the newest first, however small the pages."""
    for number in range(7):
        await put(all_, number)
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await all_.ask("GET", f"/api/v1/calls?limit=3{cursor}")).json
        seen += [each["call_id"] for each in page["calls"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [f"call_{number:04}" for number in range(6, -1, -1)]


@pytest.mark.parametrize(
    "query",
    [
        *(
            "limit=0",
            "limit=201",
            "limit=x",
            "limit=9223372036854775808",
            "status=talking",
            "direction=up",
            "color=red",
        ),
        *(
            "cursor=!!",
            "cursor=abcd",
            "cursor=WzkyMjMzNzIwMzY4NTQ3NzU4MDgwLCJ4Il0",
            "since=yesterday",
            "since=2026-01-01",
        ),
        *(
            "limit=1&limit=2",
            "agent=%00",
            "agent=",
            "number=%F0%9F%98%80",
            "line=%ED%A0%80",
            "until=0001-01-01T00:00:00Z",
        ),
    ],
)
async def test_what_cannot_be_asked_is_422(all_: Deployment, query: str) -> None:
    """A query that cannot be meant is refused with a remedy, whatever is in it."""
    reply = await all_.ask("GET", f"/api/v1/calls?{query}")
    assert reply.status == 422
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.json["remedy"]


@pytest.mark.parametrize("text", ["' OR 1=1 --", "x'); DROP TABLE calls; --", '"', "%", "_" * 40])
async def test_sql_in_a_filter_finds_nothing(all_: Deployment, text: str) -> None:
    """A filter is compared, never executed."""
    from urllib.parse import quote

    await put(all_, 1)
    for name in ("agent", "line", "number"):
        reply = await all_.ask("GET", f"/api/v1/calls?{name}={quote(text)}")
        assert (reply.status, reply.json["calls"]) == (200, [])
    assert (await all_.ask("GET", f"/api/v1/calls/{quote(text, safe='')}")).status == 404
    assert (await all_.ask("GET", "/api/v1/calls")).json["calls"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff", 400),
        (b"[" * 60000, 422),
        (b"null", 422),
        (b'{"to": 7}', 422),
        (b'{"to": "reception", "extra": 1}', 422),
        (b"{}", 422),
        (b'{"to": "' + b"x" * 70000 + b'"}', 413),
        (b'{"to": "\\u0000"}', 422),
    ],
)
async def test_bodies_are_bounded_and_judged(all_: Deployment, body: bytes, status: int) -> None:
    """What is no JSON is 400, JSON of another shape 422, more than 64 KiB 413."""
    assert (await all_.ask("POST", "/api/v1/calls/call_x/transfer", body=body)).status == status


async def test_a_body_must_be_announced_as_json(all_: Deployment) -> None:
    """A form that a web page could send is refused."""
    headers = {"Content-Type": "text/plain"}
    reply = await all_.ask("POST", "/api/v1/calls/call_x/transfer", body=b'{"to": "reception"}', headers=headers)
    assert reply.status == 415


async def test_a_call_hung_up_before_its_stream_stays_ended(all_: Deployment) -> None:
    """A stream that comes after the hang-up opens no second conversation."""
    call = await all_.carrier.call()
    assert (await all_.ask("POST", f"/api/v1/calls/{call.sid}/hangup")).status in {202, 409}
    await call.ended()
    assert all_.house.switchboard.active == 0
    shown = (await all_.ask("GET", f"/api/v1/calls/{call.sid}")).json
    assert shown["outcome"]["reason"] == "operator_hangup"
