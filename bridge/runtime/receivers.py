"""Who hears the sockets of a call: each message is translated and told to the session, as long as its socket counts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.call import events as e
from bridge.call.ports import Agent, AgentStream, PhoneStream, Session
from bridge.errors import ProtocolError, Reason
from bridge.runtime.sockets import Socket

if TYPE_CHECKING:
    from bridge.runtime.session import CallSession

MAX_EARLY: Final = 100  # messages of an agent that speaks before it was spoken to


@dataclass(slots=True)
class AgentLink:
    """One attempt to reach an agent, and the socket that came of it."""

    agent: Agent
    task: asyncio.Task[None] | None = None
    session: Session | None = None
    socket: Socket | None = None
    stream: AgentStream | None = None


class PhoneReceiver:
    """Hears one media socket of the carrier, as long as it is the call's own."""

    def __init__(self, session: CallSession, socket: Socket, stream: PhoneStream) -> None:
        self._session = session
        self._socket = socket
        self._stream = stream
        self._orderly = False

    def received(self, message: bytes) -> None:
        """A text message of the carrier."""
        session = self._session
        if session.phone_socket is not self._socket:
            return
        try:
            events = self._stream.receive(message)
        except ProtocolError as error:
            fatal = bool(getattr(error, "fatal", False))
            session.handle(e.Garbage("phone", error.reason, fatal))
            if fatal:
                self._socket.close(1008, "protocol")
            return
        for event in events:
            if type(event) is e.PhoneClosed:
                self._orderly = True
            session.handle(event)

    def received_binary(self, size: int) -> None:
        """Carriers send text only."""
        self._session.handle(e.Garbage("phone", Reason.CARRIER_PROTOCOL))

    def answered(self) -> None:
        """The carrier reads."""
        self._session.phone_answered()

    def closed(self, code: int, detail: str) -> None:
        """The socket is gone; after an orderly stop that says nothing new."""
        session = self._session
        if session.phone_socket is self._socket:
            session.phone_socket = None
            if not self._orderly:
                session.handle(e.PhoneClosed(orderly=False, detail=detail))


class AgentReceiver:
    """Hears one socket of an agent, as long as it has the call."""

    def __init__(self, session: CallSession, link: AgentLink) -> None:
        self._session = session
        self._link = link
        self._early: list[bytes] | None = []

    def begin(self) -> None:
        """What must be sent first has been sent: from here on the agent is heard, and answered."""
        early, self._early = self._early, None
        for message in early or ():
            self.received(message)

    def received(self, message: bytes) -> None:
        """A text message of the agent."""
        session, link = self._session, self._link
        stream = link.stream
        if stream is None or session.link is not link:
            return
        if self._early is not None:
            if len(self._early) < MAX_EARLY:
                self._early.append(message)
            return
        try:
            events = stream.receive(message)
        except ProtocolError as error:
            fatal = bool(getattr(error, "fatal", False))
            session.handle(e.Garbage("agent", error.reason, fatal))
            return
        for event in events:
            session.handle(event)

    def received_binary(self, size: int) -> None:
        """Agents send text only."""
        if self._session.link is self._link:
            self._session.handle(e.Garbage("agent", Reason.AGENT_PROTOCOL))

    def answered(self) -> None:
        """The library watches over pings to agents itself."""

    def closed(self, code: int, detail: str) -> None:
        """The socket is gone."""
        stream = self._link.stream
        events = [e.AgentClosed(code, detail)] if stream is None else stream.closed(code, detail)
        for event in events:
            if self._session.link is self._link:
                self._session.handle(event)
