"""A Kura assistant over HTTP (document 004): health, assistants, sessions, within what its rate limit leaves.

Nothing is tried twice here: whoever waits for the call knows how long it may still wait. ``AgentFailure.retry`` says
whether another attempt may help; where another key has room it may at once.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final

from bridge.agents.addresses import api_base, refused, socket_url
from bridge.agents.http import MEANINGS, ApiClient, Meaning, Refusal, Reply, retry_after, server_time
from bridge.agents.kura.room import RateRoom
from bridge.agents.kura.stream import KuraStream, Mode
from bridge.agents.wire import encode, system_variables
from bridge.call.ports import Brief, Secret, Session
from bridge.errors import AgentFailure, Reason

SESSION_LIFE: Final = 300.0  # s. Document 004: "Connect the WebSocket within 5 minutes or the session expires"
AT_ONCE: Final = 5.0  # s left where expires_at has passed by the clocks: only an attempt can tell
SHORT: Final = 6  # requests; with fewer left in a window, they are kept for callers
MILLISECONDS: Final = 1e11  # a reset beyond this is in milliseconds
EPOCH: Final = 1e8  # a reset below this is a number of seconds to go, not a time

PERMISSIONS: Final = (
    "It needs sessions:create, sessions:connect and assistants:read (Kura dashboard, Settings, API Keys)."
)


def _meanings(missing: str, unknown: Meaning) -> Mapping[int, Meaning]:
    return {
        **MEANINGS,
        401: Meaning("refuses the API key (401)", "Check api_key, and make a new one if it has expired."),
        403: Meaning(f"does not allow this to the API key (403): it lacks {missing}", PERMISSIONS),
        404: unknown,
        429: Meaning(
            "has had more requests than the key may make in a minute (429)",
            "Give api_key as a list of several keys, or ask the provider for a higher limit.",
        ),
    }


_ASSISTANT: Final = _meanings(
    "assistants:read", Meaning("does not know the assistant (404)", "Check assistant_id against the Kura dashboard.")
)
_CREATE: Final = _meanings(
    "sessions:create", Meaning("does not know the assistant (404)", "Check assistant_id against the Kura dashboard.")
)
_SESSION: Final = _meanings(
    "sessions:connect",
    Meaning("no longer knows the session (404): it has expired", "Create a new one, and connect before expires_at."),
)
_HEALTH: Final = _meanings("leave for health checks", MEANINGS[404])


@dataclass(slots=True)
class KuraSession(Session):
    """A session, and which of the keys it was created with."""

    key: int = 0


class KuraAgent:
    """One configured Kura assistant. The arguments are the configuration's keys; see ``config/bridge.example.toml``.

    ``api_key`` may be a list: requests are spread over the keys by the room that each has left.
    """

    provider = "kura"
    reports_interruptions = False

    def __init__(
        self,
        *,
        name: str,
        assistant_id: int,
        api_key: Secret | str | Sequence[Secret | str],
        base_url: str,
        language_code: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        websocket_hosts: Sequence[str] = (),
        allow_insecure: bool = False,
        timeout_s: float = 4.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.name = name
        self.assistant_id = assistant_id
        given = [api_key] if isinstance(api_key, Secret | str) else list(api_key)
        self._keys = [key if isinstance(key, Secret) else Secret(key) for key in given]
        self._base_url = api_base(base_url, name=name, allow_insecure=allow_insecure)
        self._language_code = language_code
        self._metadata = dict(metadata or {})
        self._websocket_hosts = tuple(websocket_hosts)
        self._allow_insecure = allow_insecure
        self._client = ApiClient(self._base_url, timeout_s=timeout_s, tls=tls)
        self._room = RateRoom(len(self._keys))

    @property
    def requests_left(self) -> int:
        """How many requests all keys together have left in this window."""
        return sum(self._room.room(key, monotonic()) for key in range(len(self._keys)))

    async def open(self, brief: Brief) -> KuraSession:
        """A fresh voice session for one call. Raises AgentFailure."""
        return await self.create(brief)

    async def create(self, brief: Brief, *, mode: Mode = "voice") -> KuraSession:
        """``POST /api/v1/sessions``, for a call or (``mode="chat"``) for text. Raises AgentFailure."""
        reply, key = await self._request("POST", "/api/v1/sessions", _CREATE, body=encode(self._body(brief, mode)))
        told = reply.json()
        session_id = told.get("session_id")
        if not isinstance(session_id, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", session_id):
            raise refused("grants a session without a usable session_id", "Check base_url: is this the agent's API?")
        if told.get("mode") not in (None, mode):
            raise refused(f"grants a session of another mode than {mode}", f"Choose an assistant that supports {mode}.")
        url = socket_url(
            told.get("websocket_url"),
            base_url=self._base_url,
            websocket_hosts=self._websocket_hosts,
            allow_insecure=self._allow_insecure,
        )
        return KuraSession(
            url=url,
            stream=KuraStream(session_id, mode=mode),
            session_id=session_id,
            expires_in=expires_in(told.get("expires_at"), server_time(reply.headers) or datetime.now(UTC)),
            key=key,
        )

    async def release(self, session: Session, *, stopped: bool) -> None:
        """``DELETE`` the session; left out where ``stopSession`` has done it already and room is short. Never raises."""
        if not isinstance(session, KuraSession):
            return
        left = self._room.room(session.key, monotonic())
        if left < 1 or (stopped and left < SHORT):
            return
        try:
            await self._request("DELETE", f"/api/v1/sessions/{session.session_id}", _SESSION, key=session.key)
        except AgentFailure:
            return  # it ends by itself: unused after five minutes, idle by sessionTimeout

    async def session(self, session: KuraSession) -> dict[str, Any]:
        """``GET /api/v1/sessions/:id``: its status. Raises AgentFailure; AGENT_NOT_FOUND where it has expired."""
        reply, _ = await self._request("GET", f"/api/v1/sessions/{session.session_id}", _SESSION, key=session.key)
        return reply.json()

    async def health(self) -> None:
        """``GET /api/v1/health``. Raises AgentFailure where the API is not well."""
        await self._request("GET", "/api/v1/health", _HEALTH)

    async def assistants(self) -> list[dict[str, Any]]:
        """``GET /api/v1/assistants``: bare or under ``assistants``, which the document leaves open. Raises AgentFailure."""
        reply, _ = await self._request("GET", "/api/v1/assistants", _ASSISTANT)
        listed = reply.value()
        if isinstance(listed, dict):
            listed = listed.get("assistants", listed.get("data"))
        if not isinstance(listed, list):
            raise refused("gives no list of assistants", "Check base_url: is this the agent's API?")
        return [assistant for assistant in listed if isinstance(assistant, dict)]

    async def assistant(self) -> dict[str, Any]:
        """``GET /api/v1/assistants/:id`` of this assistant. Raises AgentFailure; AGENT_NOT_FOUND where there is none."""
        reply, _ = await self._request("GET", f"/api/v1/assistants/{self.assistant_id}", _ASSISTANT)
        told = reply.json()
        inner = told.get("assistant")
        return inner if isinstance(inner, dict) else told

    async def check(self) -> str:
        """Whether the API is well, the key accepted, the assistant there, and able to speak. Raises AgentFailure."""
        await self.health()
        voice = supports(await self.assistant(), "voice")
        if voice is False:
            raise AgentFailure(
                f"assistant {self.assistant_id} does not support voice",
                reason=Reason.AGENT_BAD_REPLY,
                hint="Switch voice on in the Kura dashboard, or choose another assistant_id.",
            )
        known = "supports voice" if voice else "is there (it does not say whether it supports voice)"
        return f"the API key is accepted and assistant {self.assistant_id} {known}"

    async def close(self) -> None:
        """Release connections."""
        await self._client.close()

    def _body(self, brief: Brief, mode: Mode) -> dict[str, Any]:
        system = system_variables(brief)
        if not brief.phone_number:
            del system["phone_number"]
        metadata = {key: value for key, value in (self._metadata | brief.variables).items() if key != "phone_number"}
        body: dict[str, Any] = {"assistant_id": self.assistant_id, "mode": mode, "metadata": metadata | system}
        if brief.phone_number:
            body["phone_number"] = brief.phone_number
        if language := brief.language or self._language_code:
            body["language_code"] = language
        return body

    async def _request(
        self,
        method: str,
        path: str,
        meanings: Mapping[int, Meaning],
        *,
        body: bytes | None = None,
        key: int | None = None,
    ) -> tuple[Reply, int]:
        now = monotonic()
        if key is None:
            key = self._room.pick(now)
        if key is None:
            raise AgentFailure(
                "no key has a request left in this minute",
                reason=Reason.AGENT_BUSY,
                retry=True,
                retry_after=self._room.wait(now),
                hint=meanings[429].remedy,
            )
        self._room.take(key, now)
        headers = {"Authorization": f"Bearer {self._keys[key].reveal()}"}
        try:
            reply = await self._client.request(method, path, headers=headers, body=body, meanings=meanings)
        except Refusal as refusal:
            self._note(refusal.headers, key)
            raise self._learn(refusal, key) from None
        except BaseException:  # cancelled too: the caller has hung up
            self._room.heard(key, monotonic())
            raise
        self._note(reply.headers, key)
        return reply, key

    def _learn(self, refusal: Refusal, key: int) -> Refusal:
        """Remember what a refusal tells of its key; with another key that has room, another attempt may help at once."""
        now = monotonic()
        if refusal.status == 429:
            self._room.rest(key, now, retry_after(refusal.headers))
        elif refusal.status in (401, 403):
            self._room.refused(key, now)
        else:
            return refusal
        if self._room.others(key, now):
            refusal.retry, refusal.retry_after = True, 0.0
        elif refusal.status == 429 and refusal.retry_after is None:
            refusal.retry_after = self._room.wait(now)
        return refusal

    def _note(self, headers: Mapping[str, str], key: int) -> None:
        reset = _count(headers.get("X-RateLimit-Reset"))
        ends_in: float | None = None
        if reset is not None:
            clock = (server_time(headers) or datetime.now(UTC)).timestamp()
            seconds = reset / 1000 if reset > MILLISECONDS else float(reset)
            ends_in = seconds - clock if seconds > EPOCH else seconds
        self._room.heard(
            key,
            monotonic(),
            limit=_count(headers.get("X-RateLimit-Limit")),
            left=_count(headers.get("X-RateLimit-Remaining")),
            ends_in=ends_in,
        )


def expires_in(moment: object, now: datetime) -> float:
    """Seconds until ``expires_at``, at most five minutes; those where it is missing or unreadable."""
    if not isinstance(moment, str):
        return SESSION_LIFE
    try:
        ends = datetime.fromisoformat(moment)
        left = (ends if ends.tzinfo is not None else ends.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError):
        return SESSION_LIFE
    return min(max(left.total_seconds(), AT_ONCE), SESSION_LIFE)


def supports(assistant: Mapping[str, Any], mode: Mode) -> bool | None:
    """Whether an assistant says that it supports ``mode``; None where it does not say: the document names no field."""
    for name in ("modes", "supported_modes", "capabilities"):
        listed = assistant.get(name)
        if isinstance(listed, list):
            return mode in listed
        if isinstance(listed, dict) and isinstance(listed.get(mode), bool):
            return bool(listed[mode])
    for name in (f"supports_{mode}", f"{mode}_enabled"):
        if isinstance(assistant.get(name), bool):
            return bool(assistant[name])
    only = assistant.get("mode")
    return only in (mode, "both") if isinstance(only, str) else None


def _count(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
