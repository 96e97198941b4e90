"""Every error of the bridge, and the verdicts by which a call is recorded.

::

    BridgeError
    ├── ConfigurationError      the operator's file or environment is wrong: every mistake at once, exit code 2
    ├── RemoteError             the other side broke its protocol or refused: count, skip, give up after too many
    │   ├── ProtocolError       one message that cannot be understood (malformed, oversized, out of order)
    │   ├── AgentFailure        no session could be had of an agent, or the one we had is lost
    │   └── CarrierFailure      the carrier refused a request of ours, or lost the stream
    ├── StoreUnavailable        the database does not answer: keep going from memory, write later
    └── LocalError              our own bug: ends the call loudly, and only that call

An error knows its verdict: its ``reason`` says how the call is recorded (``Reason.side`` and ``Reason.class_``),
``retry`` whether another attempt may help, and ``hint`` what a person can do about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Side(StrEnum):
    """Who ended the call, or whose fault it was."""

    CALLER = "caller"
    AGENT = "agent"
    CARRIER = "carrier"
    BRIDGE = "bridge"
    OPERATOR = "operator"


class Class(StrEnum):
    """What kind of end it was."""

    SUCCESS = "success"
    CALLER_ERROR = "caller_error"
    AGENT_ERROR = "agent_error"
    CARRIER_ERROR = "carrier_error"
    BRIDGE_ERROR = "bridge_error"


class Reason(StrEnum):
    """Why a call ended: the closed list. Every end has exactly one; there is no "unknown"."""

    side: Side
    class_: Class

    def __new__(cls, value: str, side: Side, class_: Class) -> Reason:
        """A member that is its own text and carries what is declared beside it."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.side = side
        member.class_ = class_
        return member

    # ends that are as they should be
    CALLER_HANGUP = "caller_hangup", Side.CALLER, Class.SUCCESS
    AGENT_HANGUP = "agent_hangup", Side.AGENT, Class.SUCCESS
    AGENT_IDLE = "agent_idle", Side.AGENT, Class.SUCCESS  # the agent's own idle time-out
    OPERATOR_HANGUP = "operator_hangup", Side.OPERATOR, Class.SUCCESS
    TRANSFERRED = "transferred", Side.OPERATOR, Class.SUCCESS
    AGENT_TRANSFERRED = "agent_transferred", Side.AGENT, Class.SUCCESS
    MAX_DURATION = "max_duration", Side.BRIDGE, Class.SUCCESS
    MESSAGE_LEFT = "message_left", Side.BRIDGE, Class.SUCCESS
    MACHINE_HANGUP = "machine_hangup", Side.BRIDGE, Class.SUCCESS
    # the person was not there, or was not let in
    BUSY = "busy", Side.CALLER, Class.CALLER_ERROR
    NO_ANSWER = "no_answer", Side.CALLER, Class.CALLER_ERROR
    CANCELED = "canceled", Side.OPERATOR, Class.SUCCESS
    CALLER_ABANDONED = "caller_abandoned", Side.CALLER, Class.CALLER_ERROR  # hung up before the stream was there
    CALLER_BLOCKED = "caller_blocked", Side.BRIDGE, Class.CALLER_ERROR
    OPTED_OUT = "opted_out", Side.CALLER, Class.SUCCESS
    # the agent
    AGENT_AUTH = "agent_auth", Side.AGENT, Class.AGENT_ERROR  # 401
    AGENT_FORBIDDEN = "agent_forbidden", Side.AGENT, Class.AGENT_ERROR  # 403
    AGENT_NOT_FOUND = "agent_not_found", Side.AGENT, Class.AGENT_ERROR  # 404
    AGENT_BUSY = "agent_busy", Side.AGENT, Class.AGENT_ERROR  # 429
    AGENT_5XX = "agent_5xx", Side.AGENT, Class.AGENT_ERROR
    AGENT_BAD_REPLY = "agent_bad_reply", Side.AGENT, Class.AGENT_ERROR
    AGENT_TIMEOUT = "agent_timeout", Side.AGENT, Class.AGENT_ERROR
    AGENT_UNREACHABLE = "agent_unreachable", Side.AGENT, Class.AGENT_ERROR  # refused, reset, name not resolved
    AGENT_TLS = "agent_tls", Side.AGENT, Class.AGENT_ERROR
    AGENT_REFUSED = "agent_refused", Side.AGENT, Class.AGENT_ERROR  # the socket upgrade
    AGENT_SILENT_START = "agent_silent_start", Side.AGENT, Class.AGENT_ERROR  # connected, never ready
    AGENT_LOST = "agent_lost", Side.AGENT, Class.AGENT_ERROR
    AGENT_STALLED = "agent_stalled", Side.AGENT, Class.AGENT_ERROR
    AGENT_PROTOCOL = "agent_protocol", Side.AGENT, Class.AGENT_ERROR
    AGENT_FORMAT = "agent_format", Side.AGENT, Class.AGENT_ERROR  # announces sound that we cannot convert
    AGENT_SESSION_ERROR = "agent_session_error", Side.AGENT, Class.AGENT_ERROR
    # the carrier
    CARRIER_LOST = "carrier_lost", Side.CARRIER, Class.CARRIER_ERROR
    CARRIER_STALLED = "carrier_stalled", Side.CARRIER, Class.CARRIER_ERROR
    CARRIER_PROTOCOL = "carrier_protocol", Side.CARRIER, Class.CARRIER_ERROR
    CARRIER_REFUSED = "carrier_refused", Side.CARRIER, Class.CARRIER_ERROR  # a REST request of ours
    CARRIER_FAILED = "carrier_failed", Side.CARRIER, Class.CARRIER_ERROR  # CallStatus=failed
    NO_STREAM = "no_stream", Side.CARRIER, Class.CARRIER_ERROR
    NO_MEDIA = "no_media", Side.CARRIER, Class.CARRIER_ERROR
    BAD_MEDIA_FORMAT = "bad_media_format", Side.CARRIER, Class.CARRIER_ERROR
    TRANSFER_FAILED = "transfer_failed", Side.CARRIER, Class.CARRIER_ERROR
    UNRECONCILED = "unreconciled", Side.CARRIER, Class.CARRIER_ERROR  # neither side knows of the call any more
    # the bridge
    AGENT_BUDGET = "agent_budget", Side.BRIDGE, Class.BRIDGE_ERROR  # the agents' minutes of the day are used up
    OVERLOADED = "overloaded", Side.BRIDGE, Class.BRIDGE_ERROR
    DRAINING = "draining", Side.BRIDGE, Class.BRIDGE_ERROR
    DRAIN_TIMEOUT = "drain_timeout", Side.BRIDGE, Class.BRIDGE_ERROR
    PROCESS_LOST = "process_lost", Side.BRIDGE, Class.BRIDGE_ERROR
    INTERNAL_ERROR = "internal_error", Side.BRIDGE, Class.BRIDGE_ERROR
    OUTSIDE_HOURS = "outside_hours", Side.BRIDGE, Class.SUCCESS


class BridgeError(Exception):
    """The root. ``hint`` tells a person what to do about it; it never holds a secret or a phone number."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Mistake:
    """One thing wrong in the configuration: where it stands and how to put it right. Never holds the value of a secret."""

    where: str  # "config/bridge.toml" or "environment"
    key: str  # "agents.support.api_key"
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.key}: {self.problem}. {self.remedy}"


class ConfigurationError(BridgeError):
    """Every mistake of the configuration at once. Exit code 2."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes


class RemoteError(BridgeError):
    """The other side broke its protocol, refused, or is gone."""

    reason: Reason

    def __init__(self, message: str, *, reason: Reason, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class ProtocolError(RemoteError):
    """One message that cannot be understood. It is counted and skipped; a second's worth in a row ends the leg."""


class AgentFailure(RemoteError):
    """No session could be had of an agent, or the one we had is lost.

    ``retry``: another attempt may help. ``retry_after``: seconds that the agent asked us to wait, None where it did not.
    """

    def __init__(
        self, message: str, *, reason: Reason, retry: bool = False, retry_after: float | None = None, hint: str = ""
    ) -> None:
        super().__init__(message, reason=reason, hint=hint)
        self.retry = retry
        self.retry_after = retry_after


class CarrierFailure(RemoteError):
    """The carrier refused a request of ours. ``code`` is its own number for it (Twilio: 21220 and the like), 0 for none.

    ``retry``: the request was surely not carried out and may be made again. ``unsure``: it may have been carried out.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: Reason = Reason.CARRIER_REFUSED,
        status: int = 0,
        code: int = 0,
        retry: bool = False,
        unsure: bool = False,
        hint: str = "",
    ) -> None:
        super().__init__(message, reason=reason, hint=hint)
        self.status = status
        self.code = code
        self.retry = retry
        self.unsure = unsure


class StoreUnavailable(BridgeError):
    """The database does not answer, or not in time."""


class LocalError(BridgeError):
    """Our own bug. It ends the call loudly, and only that call."""
