"""The WebSocket library seen as one ``Socket``: callbacks in, never-blocking sends out.

picows does the framing, on both sides: ``connect`` opens a socket to an agent, ``serve_upgrade`` takes over a connection
whose HTTP upgrade request has just arrived (the front door listens with another library on the same port). What picows
leaves to its user is done here: fragments are joined within bounds, text is checked to be UTF-8, close frames are
answered, and writes that nobody reads are bounded.

Its log is silenced: it would print URLs, and an agent's URL holds a key. What goes wrong is told as an error instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import picows
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from bridge.call.ports import Secret
from bridge.errors import AgentFailure, Reason
from bridge.runtime.closing import WireLog, close_answer, close_code
from bridge.runtime.dialing import reach, trusted
from bridge.runtime.lastwords import LastWords, last_words, unread
from bridge.runtime.pings import ANSWERED, ENDURED, PingCount

MAX_PHONE_MESSAGE: Final = 64 * 1024  # bytes; a media message has some 400
MAX_AGENT_MESSAGE: Final = 1024 * 1024  # bytes; 5 s of PCM16 at 48 kHz are 640 kB in base64
MAX_FRAGMENTS: Final = 1024  # of one message: a million tiny ones must not cost a million objects
MAX_UNSENT: Final = 1024 * 1024  # bytes that the peer has not taken; beyond, sound is dropped
READ_BUFFER: Final = 2048  # bytes at first; doubled whenever a read fills it, as long as the socket lives
CLOSE_S: Final = 1.0  # the peer may take so long to answer our close frame
UPGRADE_S: Final = 5.0
PING_S: Final = 5.0  # without any message from the agent it is pinged
PONG_S: Final = 5.0  # and must answer within this time

TEXT = picows.WSMsgType.TEXT
BINARY = picows.WSMsgType.BINARY
CONTINUATION = picows.WSMsgType.CONTINUATION
CLOSE = picows.WSMsgType.CLOSE
PING = picows.WSMsgType.PING
PONG = picows.WSMsgType.PONG


class Receiver(Protocol):
    """Who is told what a socket receives. Callbacks run in the event loop and must not block."""

    def received(self, message: bytes) -> None:
        """A whole text message."""
        ...

    def received_binary(self, size: int) -> None:
        """A binary message, of which neither carriers nor agents have any."""
        ...

    def answered(self) -> None:
        """The peer answered a ping of ours."""
        ...

    def closed(self, code: int, detail: str) -> None:
        """The socket is gone; comes once. 1006: without a close frame."""
        ...


class Socket(picows.WSListener):
    """One WebSocket. Not usable before it is connected; every method may be called after it is closed."""

    def __init__(self, *, max_message: int) -> None:
        self.receiver: Receiver | None = None
        self.wire_log: Any = WireLog()  # a logger, as far as the library can tell
        self.dropped = 0  # messages that the peer did not take
        self._max_message = max_message
        self._transport: Any = None
        self.connected = False  # there was a handshake
        self._parts: list[bytes] = []
        self._parts_size = 0
        self._parts_text = False
        self._pings = PingCount()
        self._paused = False
        self._closed = False
        self._leaving = False
        self._abandoned = False
        self._close_timer: asyncio.TimerHandle | None = None
        self._failure = ""
        self._epilogue: asyncio.Task[None] | None = None

    # ---- what the library calls

    def on_ws_connected(self, transport: Any) -> None:
        """The handshake is done."""
        self._transport = self.wire_log.transport = transport
        self.connected = True
        for head in (transport.request, transport.response):
            if head is not None:  # the library keeps both as long as the socket, and nobody asks for them again
                head.headers.clear()
        if self._abandoned:
            self.abort()

    def abandon(self) -> None:
        """Whoever wanted it has given up waiting: the library goes on with the handshake, and ends in a cut."""
        self._abandoned = True
        self.receiver = None
        self.abort()

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        """One frame; control frames may come between the fragments of a message (RFC 6455, 5.4)."""
        kind = frame.msg_type  # each look at a frame costs a tenth of a microsecond, this one four
        if frame.rsv1 or frame.rsv2 or frame.rsv3:  # nothing was agreed on that would give them a meaning (5.2)
            self._refuse(1002, "a reserved bit")
        elif self._leaving and kind is not CLOSE:
            return  # what comes after a close frame, the peer's or ours, is not heard any more (5.5.1)
        elif kind is TEXT and frame.fin and not self._parts:  # nearly every frame: no further call for it
            message = frame.get_payload_as_bytes()
            receiver = self.receiver
            if receiver is not None and message.isascii():
                receiver.received(message)
            else:
                self._deliver(message, text=True)
        elif kind is TEXT or kind is BINARY:
            if self._parts:
                self._refuse(1002, "a new message before the last fragment")
            elif frame.fin:
                self._deliver(frame.get_payload_as_bytes(), text=kind is TEXT)
            else:
                self._parts_text = kind is TEXT
                self._parts_size = 0
                self._keep(frame)
        elif kind is CONTINUATION:
            if not self._parts:
                self._refuse(1002, "a fragment of nothing")
                return
            self._keep(frame)
            if frame.fin and self._parts:
                message = b"".join(self._parts)
                self._parts.clear()
                self._deliver(message, text=self._parts_text)
        elif kind is CLOSE:
            self._leaving = True
            if not transport.is_close_frame_sent:
                transport.send_close(close_answer(frame.get_payload_as_bytes()))
            transport.disconnect()
        elif kind is PING:
            count = self._pings.another(asyncio.get_running_loop().time())
            if count <= ANSWERED:
                transport.send_pong(frame.get_payload_as_bytes())
            elif count > ENDURED:
                self._refuse(1008, "a flood of pings")
        elif kind is PONG and self.receiver is not None:
            self.receiver.answered()

    def on_ws_disconnected(self, transport: Any) -> None:
        """The connection is gone, for whatever reason."""
        self._finish(transport)

    def pause_writing(self) -> None:
        """The peer does not read as fast as we send."""
        self._paused = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._paused = False

    # ---- what the session calls

    def send(self, message: bytes) -> bool:
        """Send a text message; never blocks. False where the socket is closed, or the peer reads too slowly."""
        transport = self._transport
        if transport is None or self._closed:
            return False
        if self._paused and transport.underlying_transport.get_write_buffer_size() > MAX_UNSENT:
            self.dropped += 1
            return False
        transport.send(TEXT, message)
        return True

    def ping(self) -> None:
        """Ask for a pong: ``answered`` tells that the peer reads."""
        if self._transport is not None and not self._closed:
            self._transport.send_ping(b"callbridge")

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close with a close frame; cut after CLOSE_S where the peer does not answer it."""
        transport = self._transport
        if transport is None or self._closed or self._close_timer is not None:
            return
        self._leaving = True
        if not transport.is_close_frame_sent:
            transport.send_close(picows.WSCloseCode(code), reason.encode()[:123])
        self._close_timer = asyncio.get_running_loop().call_later(CLOSE_S, self.abort)

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None and not self._closed:
            self._transport.underlying_transport.abort()

    @property
    def peer(self) -> str:
        """The peer's address, "" where unknown."""
        found = None if self._transport is None else self._transport.underlying_transport.get_extra_info("peername")
        return str(found[0]) if isinstance(found, tuple) and found else ""

    # ---- within

    def _deliver(self, message: bytes, *, text: bool) -> None:
        receiver = self.receiver
        if not text:
            if receiver is not None:
                receiver.received_binary(len(message))
            return
        if not message.isascii():
            try:
                message.decode()
            except UnicodeDecodeError:
                self._refuse(1007, "text that is not UTF-8")
                return
        if receiver is not None:
            receiver.received(message)

    def _keep(self, frame: Any) -> None:
        self._parts.append(frame.get_payload_as_bytes())
        self._parts_size += len(self._parts[-1])
        if self._parts_size > self._max_message or len(self._parts) > MAX_FRAGMENTS:
            self._refuse(1009, "a message of too many or too large fragments")

    def _refuse(self, code: int, detail: str) -> None:
        self._parts.clear()
        self._failure = detail
        self.close(code, detail)

    def _finish(self, transport: Any) -> None:
        if self._closed:
            return
        self._closed = True
        self.wire_log.transport = None
        if self._close_timer is not None:
            self._close_timer.cancel()
        self._epilogue = asyncio.get_running_loop().create_task(_settle(transport), name="socket epilogue")
        code = close_code(transport.close_handshake)
        if code == 1006 and transport.is_client_side and not transport.is_secure and not self._parts:
            code = self._hear_out(transport)
        receiver, self.receiver, self._transport = self.receiver, None, None  # or call and socket would hold each other
        if receiver is not None:
            receiver.closed(code, self._failure)

    def _hear_out(self, transport: Any) -> int:
        """The peer cut the connection: what had arrived by then was said before."""
        connection = transport.underlying_transport.get_extra_info("socket")
        words = last_words(unread(connection)) if connection is not None else LastWords()
        for message in words.messages:
            self._deliver(message, text=True)
        return 1006 if words.code is None else words.code


async def _settle(transport: Any) -> None:
    # The library keeps what it found wrong with the peer in a future and complains where nobody looks at it.
    with contextlib.suppress(Exception):
        await transport.wait_disconnected()


async def connect(
    url: Secret,
    receiver: Receiver,
    *,
    timeout_s: float,
    tls: ssl.SSLContext | None = None,
    headers: Mapping[str, str] | None = None,
) -> Socket:
    """Open a socket to an agent. Raises AgentFailure; no text of it holds the URL. Redirects are not followed."""
    socket = Socket(max_message=MAX_AGENT_MESSAGE)
    socket.receiver = receiver  # before the handshake: an agent may speak first
    try:
        if tls is None and url.reveal().startswith("wss:"):
            tls = (
                trusted()
            )  # without it the library reads them anew for each socket, and keeps them as long as the call
        async with asyncio.timeout(timeout_s):
            await picows.ws_connect(
                lambda: socket,
                url.reveal(),
                ssl_context=tls,
                websocket_handshake_timeout=timeout_s,
                logger_name=socket.wire_log,
                enable_auto_ping=True,
                enable_auto_pong=False,  # it would answer a ping before its reserved bits are seen
                auto_ping_idle_timeout=PING_S,
                auto_ping_reply_timeout=PONG_S,
                max_frame_size=MAX_AGENT_MESSAGE,
                extra_headers=dict(headers) if headers else None,
                max_redirects=0,
                read_buffer_init_size=READ_BUFFER,
                socket_factory=reach,
            )
    except asyncio.CancelledError:
        socket.abandon()
        raise
    except picows.WSInvalidStatusError as error:
        status = int(error.response.status) if error.response is not None else 0
        raise refusal(status) from None
    except TimeoutError:
        socket.abandon()
        raise AgentFailure(
            "the agent's socket did not open in time",
            reason=Reason.AGENT_TIMEOUT,
            retry=True,
            hint="Is it reachable from here?",
        ) from None
    except ssl.SSLError as error:
        raise AgentFailure(
            f"the agent's TLS certificate or handshake is wrong ({error.reason})",
            reason=Reason.AGENT_TLS,
            hint="Check base_url and the machine's certificates; verification is never switched off.",
        ) from None
    except (picows.WSError, picows.WSInvalidURL, ValueError) as error:
        raise AgentFailure(
            f"the agent's socket answered no WebSocket handshake ({type(error).__name__})",
            reason=Reason.AGENT_REFUSED,
            retry=True,
        ) from None
    except OSError as error:
        raise AgentFailure(
            f"the agent's socket could not be reached ({type(error).__name__})",
            reason=Reason.AGENT_UNREACHABLE,
            retry=True,
        ) from None
    if not socket.connected:  # the library takes a connection that was lost before its handshake for an open one
        raise AgentFailure("the agent dropped the connection", reason=Reason.AGENT_UNREACHABLE, retry=True)
    return socket


def refusal(status: int) -> AgentFailure:
    """What it means that an agent answered the upgrade with ``status`` instead of 101."""
    reason, hint = {
        401: (Reason.AGENT_AUTH, "The signed URL or key was not accepted; a fresh one is fetched for every call."),
        403: (Reason.AGENT_FORBIDDEN, "The key lacks the permission to connect (at Kura: sessions:connect)."),
        404: (Reason.AGENT_NOT_FOUND, "The session has expired or the agent does not exist."),
        429: (Reason.AGENT_BUSY, "The account's limit of conversations is reached."),
    }.get(status, (Reason.AGENT_REFUSED, "Redirects are not followed: configure the final address."))
    return AgentFailure(
        f"the agent refused the socket with HTTP status {status}",
        reason=reason,
        retry=status in (401, 404) or status >= 500,
        hint=hint,
    )


def serve_upgrade(
    transport: asyncio.Transport,
    head: bytes,
    admit: Callable[[Any], Socket | int],
    *,
    max_message: int = MAX_PHONE_MESSAGE,
) -> None:
    """Take over a connection whose upgrade request ``head`` has arrived.

    ``admit(request)`` sees path and headers, which are not kept, and returns the Socket to use, or an HTTP status with which the
    upgrade is refused before 101.
    """

    wire_log = WireLog()

    def factory(request: Any) -> Any:
        answer = admit(request)
        if isinstance(answer, Socket):
            answer.wire_log = wire_log
            return answer
        return picows.WSUpgradeResponseWithListener(
            picows.WSUpgradeResponse.create_error_response(answer, b"", {"Connection": "close"}), None
        )

    protocol = WSProtocol(
        "",  # host and path are of the client side
        "",
        False,
        factory,
        wire_log,
        True,  # an exception of ours ends this socket and no other
        UPGRADE_S,
        False,
        PING_S,
        PONG_S,
        picows.WSAutoPingStrategy.PING_WHEN_IDLE,
        False,  # pings are answered here
        max_message,
        None,
        READ_BUFFER,
    )
    protocol.connection_made(transport)
    while head:
        room = protocol.get_buffer(-1)
        part = head[: len(room)]
        room[: len(part)] = part
        protocol.buffer_updated(len(part))
        head = head[len(part) :]
    # uvloop keeps a method of the protocol before, unless the new one takes its data the same way: not the HTTP connection
    # with its queue and headers, as long as the call.
    transport.set_protocol(asyncio.Protocol())
    transport.set_protocol(protocol)
