"""Who is let in: signed requests in their right form, and media sockets with their one grant; nobody else."""

import asyncio
import json
from pathlib import Path
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import aiohttp
import pytest
import websockets

from bridge.errors import Reason
from tests.end_to_end.conftest import Logs
from tests.standins.twilio.ids import sid
from tests.standins.twilio.signature import sign
from tests.support.house import PUBLIC, TOKEN
from tests.support.media import close_code, form, media_socket, offer, start
from tests.support.scene import LINE, Scene, scene


async def untouched(cast: Scene) -> None:
    """Nothing was stored, nobody was dialled."""
    await asyncio.sleep(0.1)
    page = await cast.house.calls.list(limit=10)
    assert not page.calls
    assert cast.xuna.requests == []
    assert cast.house.switchboard.active == 0


async def raw(cast: Scene, path: str, body: bytes, *, signature: str | None = "right", kind: str = "") -> int:
    """A request as it stands: its status."""
    headers = {"Content-Type": kind or "application/x-www-form-urlencoded"}
    if signature == "right":
        fields = [tuple(pair.split("=", 1)) for pair in body.decode("latin-1").split("&") if "=" in pair]
        headers["X-Twilio-Signature"] = sign(TOKEN, PUBLIC + path, fields)  # type: ignore[arg-type]
    elif signature is not None:
        headers["X-Twilio-Signature"] = signature
    url = f"http://127.0.0.1:{cast.house.port}{path}"
    async with aiohttp.ClientSession() as http, http.post(url, data=body, headers=headers) as answer:
        assert answer.content_type == "application/problem+json"
        return answer.status


@pytest.mark.parametrize("signing", ["wrong", "missing"])
async def test_what_is_not_signed_is_refused_at_every_door(signing: str, tmp_path: Path, logs: Logs) -> None:
    """403, one log line each, nothing stored, no agent dialled."""
    async with scene(tmp_path) as cast:
        cast.carrier.signing = signing
        for path in ("voice", "after", "status", "amd", "recording", "sms"):
            exchange = await cast.carrier.post(path, f"/twilio/{path}", form(sid("CA")))
            assert exchange.status == 403
        await untouched(cast)
        assert len(logs.of("webhook_refused")) == 6


async def test_a_signature_of_something_else_is_refused(tmp_path: Path) -> None:
    """Another path, another body, another token: 403."""
    async with scene(tmp_path) as cast:
        body = urlencode(form(sid("CA"))).encode()
        for signature in (
            sign(TOKEN, PUBLIC + "/twilio/status", form(sid("CA"))),
            sign("f" * 32, PUBLIC + "/twilio/voice", form(sid("CA"))),
            "",
            "AAAA",
            "\u00e9".encode("latin-1").decode("latin-1"),
        ):
            assert await raw(cast, "/twilio/voice", body, signature=signature) == 403
        await untouched(cast)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"CallSid": "CA123"}, 400),
        ({"CallSid": ""}, 400),
        ({"AccountSid": "AC" + "f" * 32}, 403),
        ({"from_": "+1 555 0100; DROP"}, 400),
        ({"To": ""}, 400),
        ({"Direction": "sideways"}, 400),
    ],
)
async def test_what_is_signed_but_malformed_is_refused(changes: dict[str, str], status: int, tmp_path: Path) -> None:
    """A signature proves the sender and not the fields."""
    async with scene(tmp_path) as cast:
        exchange = await cast.carrier.post("voice", "/twilio/voice", form(sid("CA"), **changes))
        assert exchange.status == status
        await untouched(cast)


async def test_a_doubled_field_is_refused(tmp_path: Path) -> None:
    """Two numbers to call from are one too many."""
    async with scene(tmp_path) as cast:
        exchange = await cast.carrier.post("voice", "/twilio/voice", [*form(sid("CA")), ("From", "+15550123456")])
        assert exchange.status in {400, 403}
        await untouched(cast)


async def test_bodies_of_the_wrong_size_or_kind_are_refused(tmp_path: Path) -> None:
    """More than 64 KiB: 413; multipart or JSON: 415."""
    async with scene(tmp_path) as cast:
        assert await raw(cast, "/twilio/voice", b"a=" + b"x" * 70_000) == 413
        assert await raw(cast, "/twilio/voice", b"{}", kind="application/json") == 415
        assert await raw(cast, "/twilio/voice", b"--b--", kind="multipart/form-data; boundary=b") == 415
        await untouched(cast)


@pytest.mark.parametrize("path", ["/twilio/voice/", "/twilio/status/", "/healthz/", "/api/v1/calls/"])
async def test_nobody_is_sent_on_to_an_address_that_he_named_himself(path: str, tmp_path: Path) -> None:
    """A slash too many is no path of ours: no redirect, unsigned, to the Host of the request."""
    async with scene(tmp_path) as cast, aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{cast.house.port}{path}"
        async with http.get(url, headers={"Host": "evil.example"}, allow_redirects=False) as answer:
            assert answer.status in (401, 404)
            assert answer.content_type == "application/problem+json"
            assert "Location" not in answer.headers


async def test_a_number_without_a_line_is_rejected(tmp_path: Path) -> None:
    """200 and <Reject/>; nothing is answered, nothing costs."""
    lines = '[[lines]]\nnumber = "+15550100"\nagent = "support"\n'
    async with scene(tmp_path, lines=lines) as cast:
        call = await cast.carrier.call(to="+15559999")
        assert await call.ended() in {"no-answer", "busy"}
        assert "<Reject" in call.documents[0][1]
        await untouched(cast)


async def test_a_webhook_asked_many_times_opens_one_session(tmp_path: Path) -> None:
    """Retried at once and concurrently: the same TwiML to the byte, one agent, one grant."""
    async with scene(tmp_path) as cast:
        call_sid = sid("CA")
        offers = await asyncio.gather(*(offer(cast, CallSid=call_sid) for _ in range(20)))
        assert len({each.body for each in offers}) == 1
        await cast.xuna.session()
        assert len(cast.xuna.seen("signed_url")) == 1
        assert cast.house.switchboard.active == 1
        await offers[0].over()
        await cast.idle()
        again = await offer(cast, CallSid=call_sid)
        assert again.body == offers[0].body
        assert cast.house.switchboard.active == 0


async def test_a_replayed_grant_of_a_call_that_is_over_opens_nothing(tmp_path: Path) -> None:
    """Nor does a fresh one, where the caller had hung up before the stream."""
    async with scene(tmp_path) as cast:
        offered = await offer(cast)
        session = await cast.xuna.session()
        await offered.over()
        await session.gone()
        async with media_socket(cast) as socket:
            await socket.send(start(offered.sid, offered.grant))
            assert await close_code(socket) == 1008
        assert len(cast.xuna.seen("signed_url")) == 1


@pytest.mark.parametrize("grant", [None, "", "wrong", "x" * 200, "\u00fc"])
async def test_a_socket_without_its_grant_is_closed(grant: str | None, tmp_path: Path) -> None:
    """1008, and the call does not notice."""
    async with scene(tmp_path) as cast:
        offered = await offer(cast)
        async with media_socket(cast) as socket:
            await socket.send(start(offered.sid, grant))
            assert await close_code(socket) == 1008
        async with media_socket(cast) as socket:
            await socket.send(start(offered.sid, offered.grant))
            session = await cast.xuna.session()
            await session.say(0.2)
            assert "media" in str(await asyncio.wait_for(socket.recv(), 2))
        await offered.over()


async def test_a_grant_admits_to_its_own_call_only(tmp_path: Path) -> None:
    """With another CallSid, or another account, it is worth nothing; and its own call may still use it."""
    async with scene(tmp_path) as cast:
        one, other = await offer(cast), await offer(cast, from_="+15550123499")
        for message in (start(other.sid, one.grant), start(one.sid, one.grant, accountSid="AC" + "f" * 32)):
            async with media_socket(cast) as socket:
                await socket.send(message)
                assert await close_code(socket) == 1008
        async with media_socket(cast) as socket:
            await socket.send(start(one.sid, one.grant))
            session = await cast.xuna.session()
            await session.say(0.2)
            await asyncio.wait_for(socket.recv(), 2)
        await one.over()
        await other.over()


async def test_a_grant_admits_once(tmp_path: Path) -> None:
    """Of two sockets that race with it one is admitted, and later ones are not."""
    async with scene(tmp_path) as cast:
        offered = await offer(cast)
        async with media_socket(cast) as one, media_socket(cast) as two:
            await asyncio.gather(*(socket.send(start(offered.sid, offered.grant)) for socket in (one, two)))
            done, pending = await asyncio.wait(
                {asyncio.create_task(socket.wait_closed()) for socket in (one, two)},
                timeout=3,
                return_when=asyncio.FIRST_COMPLETED,
            )
            assert len(done) == 1
            assert len(pending) == 1
            async with media_socket(cast) as three:
                await three.send(start(offered.sid, offered.grant))
                assert await close_code(three) == 1008
            await offered.over()
            await asyncio.wait(pending, timeout=3)


async def test_an_upgrade_with_a_wrong_signature_is_refused_before_101(tmp_path: Path) -> None:
    """403, whatever the grant."""
    async with scene(tmp_path) as cast:
        with pytest.raises(websockets.InvalidStatus) as caught:
            async with media_socket(cast, **{"X-Twilio-Signature": "wrong"}):
                pass
        assert caught.value.response.status_code == 403


async def test_where_signatures_are_required_none_is_refused_too(tmp_path: Path) -> None:
    """403 before 101; the carrier's own signed socket is taken."""
    async with scene(tmp_path, more='stream_signature = "required"') as cast:
        with pytest.raises(websockets.InvalidStatus):
            async with media_socket(cast):
                pass
        call, session = await cast.talking()
        await session.say(0.2)
        await call.hears(0.15)


async def test_sockets_that_say_nothing_are_few_and_short_lived(tmp_path: Path) -> None:
    """Four from one address without a signature; the fifth is refused; each is closed when start does not come."""
    async with (
        scene(tmp_path) as cast,
        media_socket(cast) as one,
        media_socket(cast),
        media_socket(cast),
        media_socket(cast),
    ):
        with pytest.raises(websockets.InvalidStatus) as caught:
            async with media_socket(cast):
                pass
        assert caught.value.response.status_code == 429
        assert await close_code(one, within=7) == 1008


@pytest.mark.parametrize("first", ["media", "binary", "nonsense", "stop"])
async def test_nothing_passes_before_start(first: str, tmp_path: Path) -> None:
    """Sound is skipped up to its cap, nonsense too; binary and stop close the socket at once."""
    async with scene(tmp_path) as cast, media_socket(cast) as socket:
        media = json.dumps({"event": "media", "streamSid": "MZ1", "media": {"track": "inbound", "payload": "////"}})
        await socket.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        message: str | bytes = {"media": media, "binary": b"\x00\x01", "nonsense": "{", "stop": '{"event":"stop"}'}[
            first
        ]
        for _ in range(150):
            try:
                await socket.send(message)
            except websockets.ConnectionClosed:
                break
        assert await close_code(socket) == 1008
        await untouched(cast)


async def test_a_second_start_with_another_identity_closes_the_socket(tmp_path: Path) -> None:
    """1008; the same one again is ignored. The call ends cleanly, with the carrier's fault as its reason."""
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        assert call.stream is not None
        await call.stream.send_raw(start(call.sid, call.stream.parameters["grant"], stream=call.stream.sid))
        await session.say(0.3)
        await call.hears(0.25)
        await call.stream.send_raw(start(sid("CA"), "another", stream=call.stream.sid))
        await call.streams[0].done()
        assert call.streams[0].close_code == 1008
        assert await call.ended() == "completed"
        assert (await cast.record(call)).outcome is Reason.CARRIER_PROTOCOL


async def test_full_is_said_and_the_line_goes_on_to_its_fallback(tmp_path: Path) -> None:
    """max_calls: the next caller hears so within 300 ms, and those who talk do not notice."""
    lines = LINE + 'fallback = { dial = "+15550999" }\n'
    async with scene(tmp_path, more="max_calls = 2", lines=lines) as cast:
        calls = [await cast.carrier.call(from_=f"+1555012345{number}") for number in range(2)]
        for call in calls:
            await call.streaming()
        assert (await cast.get("/readyz"))[0] == 503
        third = await cast.carrier.call(from_="+15550123459")
        assert third.webhooks("voice")[0].took < 0.3
        assert await third.ended() == "completed"
        assert [dialled.to for dialled in third.dialled] == [("+15550999",)]
        assert (await cast.record(third)).outcome is Reason.OVERLOADED
        session = await cast.xuna.session()
        await session.say(0.3)
        assert len(cast.xuna.seen("signed_url")) == 2
        await calls[0].hang_up()
        await calls[1].hang_up()
        await cast.idle()
        assert (await cast.get("/readyz"))[0] == 200


async def test_r05_of_a_burst_exactly_as_many_are_admitted_as_there_is_room_for(tmp_path: Path) -> None:
    """30 at once where 20 may be: 20 get a stream, the others words, and 50 more too; with the 20 over, 20 are taken again."""
    room = 20
    async with scene(tmp_path, more=f"max_calls = {room}\n[limits]\nloop_lag_ms = 0\n") as cast:

        async def burst(count: int) -> list[str]:
            """The calls that got a stream; all others are told that we are busy."""
            callers = {sid("CA"): f"+1555{number:07}" for number in range(count)}
            asked = (cast.carrier.post("voice", "/twilio/voice", form(each, from_=callers[each])) for each in callers)
            taken = []
            for call_sid, answer in zip(callers, await asyncio.gather(*asked), strict=True):
                assert answer.status == 200
                first = next(iter(ET.fromstring(answer.body)))
                if first.tag == "Connect":
                    taken.append(call_sid)
                else:
                    assert (first.tag, "busy" in (first.text or "")) == ("Say", True)
            return taken

        async def over(calls: list[str]) -> None:
            for call_sid in calls:
                await cast.carrier.post("status", "/twilio/status", form(call_sid, CallStatus="completed"))
            await cast.idle(timeout=10.0)

        taken = await burst(30)
        assert (len(taken), cast.house.switchboard.active) == (room, room)
        assert (await cast.get("/readyz"))[0] == 503
        assert await burst(50) == []
        await over(taken)
        assert (await cast.get("/readyz"))[0] == 200
        taken = await burst(30)
        assert len(taken) == room
        await over(taken)


async def test_without_a_fallback_full_is_said_in_words(tmp_path: Path) -> None:
    """Never an error, never a silence."""
    async with scene(tmp_path, more="max_calls = 1") as cast:
        call, _ = await cast.talking()
        second = await cast.carrier.call(from_="+15550123450")
        await second.ended()
        assert any("busy" in words for words in second.said)
        assert not call.over
