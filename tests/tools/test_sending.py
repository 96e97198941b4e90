"""bridge/tools/sending.py, against a receiver that checks everything."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from bridge.call.ports import Secret
from bridge.tools.sending import DeliveryFailure, Destination
from tests.support.receiver import SECRET, Receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A business system."""
    async with Receiver() as receiver:
        yield receiver


async def post(receiver: Receiver, *, url: str | None = None, timeout_s: float = 2.0, **options: Any) -> bytes | str:
    """The answer, or the kind of the failure."""
    destination = Destination(url or receiver.url, secrets=[Secret(SECRET)], **options)
    try:
        return await destination.post(b'{"a":1}', message_id="msg_1", timeout_s=timeout_s)
    except DeliveryFailure as failure:
        return failure.kind if "127.0.0.1" not in str(failure) else "tells the address"
    finally:
        await destination.close()


async def test_the_receiver_can_prove_who_sent_it(receiver: Receiver) -> None:
    """Id, time and signature verify with the standard's own library."""
    assert await post(receiver) == b'{"ok": true}'
    assert receiver.deliveries[0].valid
    assert receiver.deliveries[0].message_id == "msg_1"


async def test_what_was_forged_is_seen() -> None:
    """A changed byte, another id, an old time, a time to come, another key, nothing at all: none verifies."""
    body = '{"amount":10}'
    now = datetime.now(UTC)
    sent = Destination("http://127.0.0.1:9/", secrets=[Secret(SECRET)], clock=lambda: now)
    good = sent.signature("msg_1", body.encode())
    kit = Webhook(SECRET)
    assert kit.verify(body, good) == {"amount": 10}
    late = Destination("http://x/", secrets=[Secret(SECRET)], clock=lambda: now - timedelta(minutes=6))
    early = Destination("http://x/", secrets=[Secret(SECRET)], clock=lambda: now + timedelta(minutes=6))
    other = Destination("http://x/", secrets=[Secret("whsec_" + "QUJD" * 8)])
    forged = [
        (body.replace("10", "90"), good),
        (body, good | {"webhook-id": "msg_2"}),
        (body, good | {"webhook-timestamp": str(int(now.timestamp()) + 1)}),
        (body, late.signature("msg_1", body.encode())),
        (body, early.signature("msg_1", body.encode())),
        (body, other.signature("msg_1", body.encode())),
        (body, {}),
    ]
    for text, headers in forged:
        with pytest.raises(WebhookVerificationError):
            kit.verify(text, headers)


def test_a_clock_in_any_zone_signs_the_same_moment() -> None:
    """The signature counts in UTC."""
    moment = datetime(2026, 2, 15, 12, tzinfo=UTC)
    signatures = [
        Destination("http://x/", secrets=[Secret(SECRET)], clock=lambda: moment.astimezone(zone)).signature("m", b"{}")  # noqa: B023
        for zone in (UTC, timezone(timedelta(hours=5)))
    ]
    assert signatures[0] == signatures[1]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(500, "server_error"), (503, "server_error"), (429, "busy"), (404, "refused"), (401, "refused")],
)
async def test_refusals_are_told_apart(receiver: Receiver, answer: int, kind: str) -> None:
    """What may be tried again, and what never helps."""
    receiver.answer = answer
    assert await post(receiver) == kind


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(receiver: Receiver, status: int) -> None:
    """Wherever it leads, nobody is asked there."""

    async def redirect(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": receiver.url})

    receiver.answers = [redirect]
    assert await post(receiver) == "redirect"
    assert len(receiver.deliveries) == 1


async def test_an_answer_is_read_up_to_64_kib(receiver: Receiver) -> None:
    """Ten megabytes end at the limit, whatever they are."""

    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            for _ in range(160):
                await response.write(b"x" * 65536)
        except ConnectionError:
            return response
        return response

    receiver.answer = flood
    assert await post(receiver) == "too_large"


async def test_what_nobody_heeds_is_not_read(receiver: Receiver) -> None:
    """A message has arrived with the status: an answer too long, or without an end, sends it no second time."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await receiver.hang(request)
        return response

    async def long(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 200_000)

    receiver.answers = [endless, long, 500]
    destination = Destination(receiver.url, secrets=[Secret(SECRET)])
    for _ in range(2):
        assert await destination.post(b"{}", message_id="msg_1", timeout_s=5.0, heeded=False) == b""
    with pytest.raises(DeliveryFailure, match="server_error"):
        await destination.post(b"{}", message_id="msg_1", timeout_s=5.0, heeded=False)
    await destination.close()


@pytest.mark.parametrize(("status", "told", "seconds"), [(429, "7", 7.0), (503, "7", 7.0), (429, "soon", 0.0)])
async def test_who_is_busy_may_say_for_how_long(receiver: Receiver, status: int, told: str, seconds: float) -> None:
    """``Retry-After``, where it can be understood."""

    async def busy(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Retry-After": told})

    receiver.answers = [busy]
    destination = Destination(receiver.url, secrets=[Secret(SECRET)])
    with pytest.raises(DeliveryFailure) as failure:
        await destination.post(b"{}", message_id="msg_1", timeout_s=5.0)
    await destination.close()
    assert failure.value.retry_after_s == seconds


async def test_slow_answers_end_at_the_time_limit(receiver: Receiver) -> None:
    """A business system that hangs, before or within its answer, holds nobody up."""

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"{")
        await asyncio.Event().wait()
        return response

    receiver.answer = drip
    assert await post(receiver, timeout_s=0.2) == "timeout"


async def test_a_port_where_nobody_listens(receiver: Receiver) -> None:
    """Surely nothing was done, and later it may work."""
    destination = Destination("http://127.0.0.1:9/", secrets=[])
    with pytest.raises(DeliveryFailure) as caught:
        await destination.post(b"{}", message_id="m", timeout_s=2)
    await destination.close()
    assert (caught.value.kind, caught.value.undone, caught.value.passing) == ("unreachable", True, True)


async def test_a_name_that_changes_its_mind_is_judged_each_time(receiver: Receiver) -> None:
    """A name server that answers a public address first and a private one then gets nothing sent to the private one."""
    answers = [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["169.254.169.254"]]

    async def lookup(name: str, port: int) -> list[str]:
        return answers.pop(0)

    for _ in range(3):
        url = f"http://crm.example.com:{receiver.port}/"
        assert await post(receiver, url=url, lookup=lookup) == "forbidden_address"
    assert receiver.deliveries == []


async def test_what_was_judged_is_what_is_connected_to(receiver: Receiver) -> None:
    """One look-up for one connection: a second answer is never asked for."""
    asked = []

    async def lookup(name: str, port: int) -> list[str]:
        asked.append(name)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.255.255.1"]

    url = f"http://crm.internal:{receiver.port}/"
    assert await post(receiver, url=url, lookup=lookup, allow_private=True) == b'{"ok": true}'
    assert asked == ["crm.internal"]


async def test_the_certificate_is_checked(receiver: Receiver) -> None:
    """An encrypted address must prove its name: a server without TLS is no business system of ours."""
    assert await post(receiver, url=f"https://127.0.0.1:{receiver.port}/") == "tls"


def test_while_a_secret_is_rotated_either_proves_us() -> None:
    """The receiver may change over at any moment between, and loses no message; with another one it takes none."""
    new, old, other = (Secret("whsec_" + letters * 8) for letters in ("QUJD", "REVG", "R0hJ"))
    headers = Destination("http://x/", secrets=[new, old]).signature("msg_1", b"{}")
    for secret in (new, old):
        assert Webhook(secret.reveal()).verify(b"{}", headers) == {}
    with pytest.raises(WebhookVerificationError):
        Webhook(other.reveal()).verify(b"{}", headers)
