"""A Kura assistant over HTTP: document 004."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from bridge.agents.kura.api import KuraAgent, KuraSession, expires_in, supports
from bridge.agents.kura.stream import KuraStream
from bridge.call.events import SendText
from bridge.call.ports import Brief, Secret
from bridge.errors import AgentFailure, Reason

BRIEF = Brief("call_1", "CA1", "inbound", "+15550111", "+15550100", variables={"vip": True, "call_id": "forged"})
CREATE = "POST /api/v1/sessions"
KEYS = ["kura_live_a", "kura_live_b"]


def _agent(api: Any, **settings: Any) -> KuraAgent:
    known = {"name": "booking", "assistant_id": 1, "api_key": "kura_live_a", "base_url": api.base_url}
    return KuraAgent(**(known | settings))


def _granted(api: Any, **changes: Any) -> dict[str, Any]:
    socket = api.base_url.replace("http", "ws") + "/api/v1/sessions/550e8400/connect?api_key=kura_live_a"
    return {
        "session_id": "550e8400",
        "mode": "voice",
        "websocket_url": socket,
        "expires_at": "2999-01-26T12:05:00Z",
        "assistant": {"id": 1, "name": "Customer Support"},
    } | changes


def _answer(body: Any, status: int = 201, **headers: str) -> Callable[[web.Request], web.Response]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: web.json_response(body, status=status, headers=named)


def _keys_used(api: Any) -> list[str]:
    return [headers["Authorization"].removeprefix("Bearer ") for _, _, headers, _ in api.seen]


@pytest.fixture
async def agent(api: Any) -> AsyncIterator[KuraAgent]:
    """An assistant of the fake API, which grants sessions."""
    api.answers[CREATE] = _answer(_granted(api))
    made = _agent(api, language_code="en-GB", metadata={"team": "bookings", "call_id": "configured"})
    yield made
    await made.close()


async def test_a_session_is_told_of_its_call(api: Any, agent: KuraAgent) -> None:
    """The request has the document's fields; what the bridge knows wins over configured metadata of the same name."""
    session = await agent.open(BRIEF)
    ((name, _, headers, body),) = api.seen
    assert name == CREATE
    assert headers["Authorization"] == "Bearer kura_live_a"
    assert json.loads(body) == {
        "assistant_id": 1,
        "mode": "voice",
        "phone_number": "+15550111",
        "language_code": "en-GB",
        "metadata": {
            "team": "bookings",
            "vip": True,
            "phone_number": "+15550111",
            "called_number": "+15550100",
            "call_id": "call_1",
            "carrier_call_id": "CA1",
            "direction": "inbound",
        },
    }
    assert session.session_id == "550e8400"
    assert session.url.reveal().endswith("connect?api_key=kura_live_a")
    assert "kura_live" not in repr(session)
    assert session.expires_in == 300.0
    assert isinstance(session.stream, KuraStream)


async def test_a_withheld_number_is_left_out(api: Any) -> None:
    """Nothing is said of a number that is not known, in the metadata neither, nor of a language that is not set."""
    api.answers[CREATE] = _answer(_granted(api))
    agent = _agent(api, metadata={"phone_number": "configured"})
    await agent.open(Brief("call_1", "CA1", "inbound", "", "+15550100"))
    body = json.loads(api.seen[0][3])
    assert "phone_number" not in body
    assert "phone_number" not in body["metadata"]
    assert "language_code" not in body
    await agent.close()


async def test_the_calls_own_language_wins(api: Any, agent: KuraAgent) -> None:
    """A call in another language than the configured one gets its own."""
    await agent.open(Brief("call_1", "CA1", "inbound", "", "+1", language="de-DE"))
    assert json.loads(api.seen[0][3])["language_code"] == "de-DE"


async def test_a_chat_session_takes_text(api: Any, agent: KuraAgent) -> None:
    """The same assistant by text: mode chat, and words instead of sound."""
    api.answers[CREATE] = _answer(_granted(api, mode="chat"))
    session = await agent.create(BRIEF, mode="chat")
    assert json.loads(api.seen[0][3])["mode"] == "chat"
    assert session.stream.send(SendText("Hello")) == b'{"type":"textMessage","text":"Hello"}'


@pytest.mark.parametrize(
    "changes",
    [
        {"session_id": None},
        {"session_id": "../x"},
        {"websocket_url": None},
        {"websocket_url": "wss://evil.example/x"},
        {"websocket_url": "ws://host:8080/api/v1/sessions/550e/connect?api_key=x"},
        {"mode": "chat"},
    ],
)
async def test_a_session_that_cannot_be_used_is_a_bad_reply(api: Any, agent: KuraAgent, changes: Any) -> None:
    """No socket is dialled that the configuration does not allow, and no session taken that is not for voice."""
    api.answers[CREATE] = _answer(_granted(api, **changes))
    with pytest.raises(AgentFailure) as caught:
        await agent.open(BRIEF)
    assert caught.value.reason is Reason.AGENT_BAD_REPLY
    assert "api_key=" not in str(caught.value)


async def test_the_documents_own_sample_is_taken_where_allowed(api: Any) -> None:
    """ws://host:8080 is dialled only with its host named and plain text allowed."""
    api.answers[CREATE] = _answer(_granted(api, websocket_url="ws://host:8080/connect?api_key=k"))
    agent = _agent(api, websocket_hosts=["host:8080"], allow_insecure=True)
    assert (await agent.open(BRIEF)).url.reveal() == "ws://host:8080/connect?api_key=k"
    await agent.close()


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (401, Reason.AGENT_AUTH, "Check api_key"),
        (403, Reason.AGENT_FORBIDDEN, "sessions:create"),
        (404, Reason.AGENT_NOT_FOUND, "assistant_id"),
        (429, Reason.AGENT_BUSY, "list of several keys"),
        (500, Reason.AGENT_5XX, "Try again"),
    ],
)
async def test_every_error_of_the_document_has_meaning_and_remedy(
    api: Any, agent: KuraAgent, status: int, reason: Reason, words: str
) -> None:
    """A refused session says why and what to do, and is not tried twice."""
    api.answers[CREATE] = _answer({"error": "kura_live_a"}, status)
    with pytest.raises(AgentFailure) as caught:
        await agent.open(BRIEF)
    assert caught.value.reason is reason
    told = f"{caught.value} {caught.value.hint}"
    assert words in told
    assert "kura_live" not in told
    assert len(api.seen) == 1


async def test_each_route_names_the_permission_it_needs(api: Any, agent: KuraAgent) -> None:
    """403 on the assistant is about assistants:read, on a session about sessions:connect; 404 there is an expired one."""
    session = await agent.open(BRIEF)
    api.answers["GET /api/v1/assistants/1"] = _answer({}, 403)
    with pytest.raises(AgentFailure, match="assistants:read"):
        await agent.assistant()
    with pytest.raises(AgentFailure, match="expired") as caught:
        await agent.session(session)
    assert "expires_at" in caught.value.hint
    api.answers["GET /api/v1/sessions/550e8400"] = _answer({}, 403)
    with pytest.raises(AgentFailure, match="sessions:connect"):
        await agent.session(session)


async def test_calls_are_spread_over_the_keys(api: Any) -> None:
    """Two keys carry twice as many calls."""
    api.answers[CREATE] = _answer(_granted(api))
    agent = _agent(api, api_key=[Secret(key) for key in KEYS])
    for _ in range(6):
        await agent.open(BRIEF)
    assert sorted(_keys_used(api)) == sorted(KEYS * 3)
    await agent.close()


async def test_a_key_that_is_told_to_wait_rests_and_the_other_may_be_tried_at_once(api: Any) -> None:
    """429 on one key: another attempt helps at once, with the other key, and then not before Retry-After."""
    api.answers[CREATE] = _answer({}, 429, Retry_After="30")
    agent = _agent(api, api_key=KEYS)
    failures = []
    for _ in range(3):
        with pytest.raises(AgentFailure) as caught:
            await agent.open(BRIEF)
        failures.append(caught.value)
    assert [failure.reason for failure in failures] == [Reason.AGENT_BUSY] * 3
    assert all(failure.retry for failure in failures)
    assert failures[0].retry_after == 0.0
    assert failures[1].retry_after == 30.0
    assert failures[2].retry_after == pytest.approx(30.0, abs=5.0)
    assert sorted(_keys_used(api)) == KEYS
    await agent.close()


async def test_a_refused_key_does_not_stop_the_others(api: Any) -> None:
    """While keys are rotated one may be invalid: the next attempt takes another, and all bad is told as 401."""

    def create(request: web.Request) -> web.Response:
        good = request.headers["Authorization"].endswith("b")
        return web.json_response(_granted(api) if good else {}, status=201 if good else 401)

    api.answers[CREATE] = create
    agent = _agent(api, api_key=KEYS)
    with pytest.raises(AgentFailure) as caught:
        await agent.open(BRIEF)
    assert (caught.value.reason, caught.value.retry) == (Reason.AGENT_AUTH, True)
    for _ in range(3):
        await agent.open(BRIEF)
    assert _keys_used(api) == ["kura_live_a"] + ["kura_live_b"] * 3
    await agent.close()
    alone = _agent(api)
    for _ in range(2):
        with pytest.raises(AgentFailure) as caught:
            await alone.open(BRIEF)
        assert (caught.value.reason, caught.value.retry) == (Reason.AGENT_AUTH, False)
    await alone.close()


@pytest.mark.parametrize("reset", ["epoch", "milliseconds", "seconds"])
async def test_no_request_is_made_without_room(api: Any, agent: KuraAgent, reset: str) -> None:
    """When the server says that nothing is left, the next call is told to wait without asking, until the reset."""
    now = datetime.now(UTC).timestamp()
    ends = {"epoch": str(int(now) + 40), "milliseconds": str(int(now * 1000) + 40_000), "seconds": "40"}[reset]
    api.answers[CREATE] = _answer(
        _granted(api), X_RateLimit_Limit="60", X_RateLimit_Remaining="0", X_RateLimit_Reset=ends
    )
    await agent.open(BRIEF)
    with pytest.raises(AgentFailure) as caught:
        await agent.open(BRIEF)
    assert caught.value.reason is Reason.AGENT_BUSY
    assert caught.value.retry_after == pytest.approx(40.0, abs=5.0)
    assert len(api.seen) == 1


@pytest.mark.parametrize("value", ["", "x", "-1", "9" * 30, "1e3", "²"])
async def test_limits_that_are_nonsense_count_as_nothing_said(api: Any, agent: KuraAgent, value: str) -> None:
    """A header that cannot be understood stops no call."""
    headers = {"X_RateLimit_Limit": value, "X_RateLimit_Remaining": value, "X_RateLimit_Reset": value}
    api.answers[CREATE] = _answer(_granted(api), **headers)
    for _ in range(3):
        await agent.open(BRIEF)


@pytest.mark.parametrize(
    ("remaining", "stopped", "asked"),
    [("50", True, True), ("3", True, False), ("3", False, True), ("0", False, False), ("0", True, False)],
)
async def test_a_session_is_deleted_where_there_is_room(
    api: Any, agent: KuraAgent, remaining: str, stopped: bool, asked: bool
) -> None:
    """DELETE costs a caller's request: it is left out where stopSession has done its work and room is short."""
    api.answers[CREATE] = _answer(_granted(api), X_RateLimit_Remaining=remaining)
    session = await agent.open(BRIEF)
    await agent.release(session, stopped=stopped)
    assert [name for name, *_ in api.seen[1:]] == (["DELETE /api/v1/sessions/550e8400"] if asked else [])


async def test_giving_back_never_raises_and_uses_the_sessions_own_key(api: Any) -> None:
    """A session is deleted with the key that created it, and an error then is nobody's."""
    api.answers[CREATE] = _answer(_granted(api))
    agent = _agent(api, api_key=KEYS)
    sessions = [await agent.open(BRIEF) for _ in range(2)]
    for session in reversed(sessions):
        await agent.release(session, stopped=False)
    assert _keys_used(api) == [*KEYS, *reversed(KEYS)]
    await agent.close()


async def test_the_check_finds_an_assistant_with_a_voice(api: Any, agent: KuraAgent) -> None:
    """doctor learns whether the API is well, the key good, the assistant there, and able to speak."""
    with pytest.raises(AgentFailure):
        await agent.check()
    api.answers["GET /api/v1/health"] = {"status": "ok"}
    with pytest.raises(AgentFailure) as caught:
        await agent.check()
    assert caught.value.reason is Reason.AGENT_NOT_FOUND
    api.answers["GET /api/v1/assistants/1"] = {"id": 1, "name": "Support"}
    assert "does not say" in await agent.check()
    api.answers["GET /api/v1/assistants/1"] = {"assistant": {"id": 1, "modes": ["voice", "chat"]}}
    assert "supports voice" in await agent.check()
    api.answers["GET /api/v1/assistants/1"] = {"id": 1, "supports_voice": False}
    with pytest.raises(AgentFailure, match="does not support voice"):
        await agent.check()


async def test_assistants_are_listed_bare_or_wrapped(api: Any, agent: KuraAgent) -> None:
    """The document shows no body for the list: both usual shapes are understood."""
    for shape in ([{"id": 1}], {"assistants": [{"id": 1}, "junk"]}, {"data": [{"id": 1}]}):
        api.answers["GET /api/v1/assistants"] = shape
        assert await agent.assistants() == [{"id": 1}]
    api.answers["GET /api/v1/assistants"] = {"other": 1}
    with pytest.raises(AgentFailure):
        await agent.assistants()


@pytest.mark.parametrize(
    ("assistant", "answer"),
    [
        ({}, None),
        ({"modes": ["chat"]}, False),
        ({"capabilities": {"voice": True}}, True),
        ({"voice_enabled": True}, True),
        ({"mode": "both"}, True),
        ({"mode": "chat"}, False),
        ({"modes": 5, "mode": 6}, None),
    ],
)
def test_whether_an_assistant_speaks_is_read_where_it_says_so(assistant: dict[str, Any], answer: bool | None) -> None:
    """The document names no field for it: the usual ones are understood, and silence is no answer."""
    assert supports(assistant, "voice") is answer


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        ("2026-01-26T12:05:00Z", 120.0),
        ("2026-01-26T13:05:00+01:00", 120.0),
        ("2026-01-26T12:05:00", 120.0),
        ("2026-01-27T00:00:00Z", 300.0),
        ("2020-01-01T00:00:00Z", 5.0),
        ("soon", 300.0),
        (None, 300.0),
        (1706270400, 300.0),
    ],
)
def test_the_life_of_a_session_is_read_and_bounded(moment: object, seconds: float) -> None:
    """expires_at by the server's clock; five minutes at most, and those where it says nothing."""
    assert expires_in(moment, datetime(2026, 1, 26, 12, 3, tzinfo=UTC)) == seconds


def test_a_session_knows_its_key() -> None:
    """The key's number goes with the session and is no secret."""
    assert KuraSession(Secret("wss://x"), KuraStream("s"), key=1).key == 1
