"""The shapes that carriers and agents fill. A translator (``*Stream``) is pure; ``Agent`` and ``Carrier`` act.

A stream object belongs to one socket and may keep what it needs to translate (a stream id, the announced format, the
odd byte of a chunk), never a clock, a credential, a resampler or a connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bridge.call.events import AgentEvent, AgentOrder, PhoneEvent, PhoneOrder


class Secret:
    """A text that never shows itself: ``str``, ``repr``, pickling and JSON give a mask. ``reveal()`` is the only way in."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that must send it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> Any:
        raise TypeError("a Secret is never pickled")


class PhoneStream(Protocol):
    """Translates one media socket of a carrier."""

    def receive(self, message: bytes) -> Sequence[PhoneEvent]:
        """The events of one text message. Raises ProtocolError where it cannot be understood; the stream stays usable."""
        ...

    def send(self, order: PhoneOrder) -> bytes:
        """The message for one order. Only after PhoneOpened."""
        ...


class AgentStream(Protocol):
    """Translates one socket of an agent."""

    def open(self) -> Sequence[bytes]:
        """What must be sent first, in this order, as soon as the socket is open."""
        ...

    def receive(self, message: bytes) -> Sequence[AgentEvent]:
        """The events of one text message. Raises ProtocolError where it cannot be understood; the stream stays usable."""
        ...

    def send(self, order: AgentOrder) -> bytes | None:
        """The message for one order; None where this agent's protocol has no word for it."""
        ...

    def closed(self, code: int, detail: str) -> Sequence[AgentEvent]:
        """What it means that the socket was closed with ``code``: AgentClosed last, before it AgentProblem if it is a fault."""
        ...


@dataclass(frozen=True, slots=True)
class Brief:
    """What an agent is told about the call it gets, and with which overrides."""

    call_id: str  # ours: call_...
    carrier_call_id: str
    direction: str  # inbound | outbound
    phone_number: str  # the person's, "" where withheld
    called_number: str  # the line's
    variables: dict[str, str | int | float | bool] = field(default_factory=dict)  # the line's or the dialler's own
    first_message: str | None = None
    prompt: str | None = None
    language: str | None = None
    voice_id: str | None = None


@dataclass(slots=True)
class Session:
    """A conversation that an agent has granted: where to connect, and how to speak there."""

    url: Secret  # holds a token or a key: never logged
    stream: AgentStream
    session_id: str = ""
    expires_in: float = 60.0  # seconds within which the socket must be opened
    subprotocols: tuple[str, ...] = ()


class Agent(Protocol):
    """One configured agent: gets sessions and gives them back."""

    name: str
    provider: str
    reports_interruptions: bool  # False: the bridge itself must hear the caller speak over the agent

    async def open(self, brief: Brief) -> Session:
        """A fresh session for one call. Raises AgentFailure. The caller bounds the time it may take."""
        ...

    async def release(self, session: Session, *, stopped: bool) -> None:
        """Give back a session that is over or was never used. ``stopped``: the agent was told so over its socket. Never raises."""
        ...

    async def check(self) -> str:
        """Credentials and the agent's existence, for ``doctor``: a sentence of what was found. Raises AgentFailure."""
        ...

    async def close(self) -> None:
        """Release connections. Called once, when the process ends."""
        ...
