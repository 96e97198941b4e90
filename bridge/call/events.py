"""What can happen to a call and what can be ordered: small frozen values, in no carrier's or agent's own words.

A translator (``carriers/*/stream.py``, ``agents/*/stream.py``) turns a message into events of this page and an order
of this page into a message. ``CallMachine.handle(event)`` turns events into orders. Nothing here acts.

They are msgspec Structs rather than dataclasses because two are made for every 20 ms of every call: a frozen Struct
costs a fifth of a frozen dataclass and is not tracked by the garbage collector.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from bridge.audio.formats import AudioFormat
from bridge.call.record import Status
from bridge.errors import AgentFailure, Reason


class Event(Struct, frozen=True, gc=False):
    """Something that happened."""


class Order(Struct, frozen=True, gc=False):
    """Something to be done."""


# ---------------------------------------------------------------- the phone leg tells


class PhoneOpened(Event, frozen=True):
    """The media stream has started. Comes once, before any sound."""

    stream_id: str
    carrier_call_id: str
    account_id: str
    format: AudioFormat
    parameters: dict[str, str]


class PhoneAudio(Event, frozen=True, gc=False):
    """The caller's sound in the stream's format; any length, usually 20 ms."""

    payload: bytes


class PhoneReached(Event, frozen=True):
    """The carrier says that everything queued before the mark ``name`` has been played, or was cleared."""

    name: str


class PhoneDigit(Event, frozen=True):
    """The caller pressed a key: one of ``0-9 * #`` (and A to D)."""

    digit: str


class PhoneClosed(Event, frozen=True):
    """The media stream is over. ``orderly``: the carrier said so (stop) before its socket closed."""

    orderly: bool
    detail: str = ""


# ---------------------------------------------------------------- the agent leg tells


class AgentProgress(Event, frozen=True):
    """On the way to AgentReady: ``stage`` credential (we may connect) or socket (we are connected), and what it took."""

    stage: str
    ms: float


class AgentReady(Event, frozen=True):
    """The agent has accepted the session and says in which formats it speaks and listens. Comes once, before sound."""

    conversation_id: str
    output: AudioFormat
    input: AudioFormat


class AgentAudio(Event, frozen=True, gc=False):
    """The agent's sound, in the announced format. ``event_id`` orders it against interruptions, None where it has none."""

    payload: bytes
    event_id: int | None = None


class AgentText(Event, frozen=True):
    """What the agent says. ``final``: the whole turn; otherwise one more piece of the turn in progress."""

    text: str
    final: bool = True
    event_id: int | None = None


class AgentTextCorrected(Event, frozen=True):
    """After an interruption: what the caller was told of the turn, in the agent's own account."""

    original: str
    corrected: str


class CallerText(Event, frozen=True):
    """What the caller said, as the agent transcribed it. Not final: one more piece, or a guess that may be replaced."""

    text: str
    final: bool = True


class AgentInterrupted(Event, frozen=True):
    """The agent heard the caller speak over it and stopped. ``event_id`` as in AgentAudio, None where none is given."""

    event_id: int | None = None


class AgentTurnComplete(Event, frozen=True):
    """The agent has finished a turn; both texts in full ("" where unknown)."""

    caller_text: str = ""
    agent_text: str = ""


class AgentPing(Event, frozen=True):
    """The agent wants to know that we live: ``SendPong`` with the same id, at once."""

    event_id: int


class AgentToolCall(Event, frozen=True):
    """The agent asks us, over its socket, to run a tool and answer with ``SendToolResult``."""

    tool_call_id: str
    name: str
    arguments: dict[str, Any]


class AgentExpired(Event, frozen=True):
    """The agent ends the session for want of activity."""

    reason: str
    seconds: float = 0.0


class AgentProblem(Event, frozen=True):
    """The agent reports an error of its own over a socket that is still open."""

    text: str
    code: int = 0


class AgentClosed(Event, frozen=True):
    """The agent's socket is gone; ``code`` is the WebSocket close code (1006: none was given)."""

    code: int
    detail: str = ""


class AgentFailed(Event, frozen=True):
    """No session could be had of this agent."""

    failure: AgentFailure


class Ignored(Event, frozen=True, gc=False):
    """A message of a type that we do not know or need: counted under ``kind`` (a bounded label)."""

    kind: str


# ---------------------------------------------------------------- orders to a leg, understood by its translator


class PlayAudio(Order, frozen=True, gc=False):
    """To the phone: queue this sound (in the stream's format) behind what is already queued."""

    payload: bytes


class PlayMark(Order, frozen=True, gc=False):
    """To the phone: tell us (PhoneReached) when all that was queued before has been played."""

    name: str


class ClearAudio(Order, frozen=True, gc=False):
    """To the phone: forget all that is queued and fall silent now."""


class SendAudio(Order, frozen=True, gc=False):
    """To the agent: the caller's sound, in the format the agent listens to."""

    payload: bytes


class SendPong(Order, frozen=True, gc=False):
    """To the agent: the answer to AgentPing."""

    event_id: int


class SendActivity(Order, frozen=True, gc=False):
    """To the agent: the caller is there, though not speaking (a key was pressed)."""


class SendInterrupt(Order, frozen=True, gc=False):
    """To the agent: the caller speaks over it; stop this turn."""


class SendStop(Order, frozen=True, gc=False):
    """To the agent: the session is over."""


class SendToolResult(Order, frozen=True):
    """To the agent: the answer to AgentToolCall. ``result`` is text (JSON for anything structured)."""

    tool_call_id: str
    result: str
    is_error: bool = False


class SendText(Order, frozen=True):
    """To the agent: words typed rather than spoken."""

    text: str


class SendContext(Order, frozen=True):
    """To the agent: something to know, which is not to be answered."""

    text: str


PhoneOrder = PlayAudio | PlayMark | ClearAudio
AgentOrder = SendAudio | SendPong | SendActivity | SendInterrupt | SendStop | SendToolResult | SendText | SendContext
PhoneEvent = PhoneOpened | PhoneAudio | PhoneReached | PhoneDigit | PhoneClosed | Ignored
AgentEvent = (
    AgentReady
    | AgentAudio
    | AgentText
    | AgentTextCorrected
    | CallerText
    | AgentInterrupted
    | AgentTurnComplete
    | AgentPing
    | AgentToolCall
    | AgentExpired
    | AgentProblem
    | AgentClosed
    | AgentFailed
    | Ignored
)

# ---------------------------------------------------------------- what else can happen to a call


class TimedOut(Event, frozen=True):
    """The timer ``name`` that StartTimer set has run out."""

    name: str


class CarrierEnded(Event, frozen=True):
    """The carrier says that the call is over (status callback, action request)."""

    reason: Reason
    status: Status = Status.COMPLETED


class StreamPromised(Event, frozen=True):
    """The carrier was answered with a new media stream for this call: the old one, if any, no longer counts.

    ``patience``: seconds for which the agent is kept meanwhile. ``ours``: the bridge takes the old stream away itself, for
    keys or a hold; it is not lost, and it sounds until it is closed.
    """

    patience: float
    ours: bool = False


class PhoneAlive(Event, frozen=True):
    """The carrier's socket answered ProbePhone: it reads, so marks that are missing are lost and not late."""


class PhoneStalled(Event, frozen=True):
    """The carrier's socket did not answer ProbePhone, or does not take what we send: it does not read."""


class Garbage(Event, frozen=True):
    """A message of one leg that could not be understood. ``fatal``: the leg cannot go on after it."""

    side: str  # phone | agent
    reason: Reason
    fatal: bool = False


class EndRequested(Event, frozen=True):
    """Somebody wants the call to end: operator, tool, drain, dialler. ``prompt``: spoken before; "" for none.

    ``after_words``: what is queued at the phone is heard first. ``then``: as in ClosePhone, where nothing is spoken before.
    """

    reason: Reason
    after_words: bool = False
    prompt: str = ""
    then: str = "hangup"


class TransferRequested(Event, frozen=True):
    """The call goes on to ``target`` (a name of the configuration), and leaves the agent."""

    target: str
    reason: Reason


class Superseded(Event, frozen=True):
    """Another instance has the call's stream: this one lets go of it and of its record."""


# ---------------------------------------------------------------- orders that no translator sees


class ConnectAgent(Order, frozen=True):
    """Get a session of the agent ``name`` and open its socket; answer with AgentReady or AgentFailed."""

    name: str
    attempt: int  # 1 for the first of the call
    resumed: bool  # there is a conversation to go on with


class DropAgent(Order, frozen=True):
    """Close the agent's socket, or stop trying, and give the session back. ``stopped``: it was told before."""

    stopped: bool


class ClosePhone(Order, frozen=True):
    """Close the media stream; the carrier then asks what follows: ``then`` is hangup, fallback, transfer or message."""

    then: str
    target: str = ""


class ProbePhone(Order, frozen=True):
    """Find out whether the carrier still reads its socket: answer with PhoneAlive or PhoneStalled."""


class StartTimer(Order, frozen=True):
    """Answer with TimedOut(name) after so many seconds; a running timer of that name is replaced."""

    name: str
    seconds: float


class StopTimer(Order, frozen=True):
    """Forget the timer."""

    name: str


class Save(Order, frozen=True, gc=False):
    """The record has changed: hand it to the store and to whoever looks on."""


class RunTool(Order, frozen=True):
    """Run a tool for the agent and answer it with SendToolResult."""

    tool_call_id: str
    name: str
    arguments: dict[str, Any]


class Ended(Order, frozen=True, gc=False):
    """The call is over: both legs are closed, nothing follows."""
