"""The tables of the server itself: carriers, server, limits, api, tools, events, chat, recording, logging, metrics,
tracing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Final, Literal

from bridge.call.ports import Secret
from bridge.settings.addresses import Address, Network
from bridge.settings.kinds import (
    JsonTable,
    Length,
    Name,
    OneOrMore,
    Pattern,
    PhoneNumber,
    Prefix,
    Range,
    SigningSecret,
    Spoken,
)
from bridge.settings.lines import CalledUrl

CallResult = Literal["confirmed", "rescheduled", "declined", "callback", "wrong_number", "opted_out"]
EventType = Literal["call.started", "call.answered", "turn", "call.ended", "message.received", "campaign.finished"]
GOOD_KEY: Final = 16  # characters; 128 bits in base64 are 22
# A list while it is being rotated: every one of them signs, and the receiver accepts any.
SigningSecrets = Annotated[tuple[Annotated[Secret, SigningSecret()], ...], OneOrMore(), Length(1, 5)]
SecureUrl = Annotated[str, Address(schemes=("https", "http"))]


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioSettings:
    """``[carriers.twilio]``."""

    account_sid: Annotated[
        str,
        Pattern("AC[0-9a-f]{32}", "is not an account SID", "Copy it from the console: AC and 32 hexadecimal digits."),
    ]
    auth_token: Annotated[tuple[Secret, ...], OneOrMore(), Length(1, 5)]  # the first signs ours; any proves theirs
    api_base_url: SecureUrl = "https://api.twilio.com"
    timeout_s: Annotated[float, Range(0.5, 60)] = 10.0  # of one request to it


@dataclass(frozen=True, slots=True, kw_only=True)
class Carriers:
    """``[carriers]``: a table for each."""

    twilio: TwilioSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """``[server]``: where it listens. TLS is the proxy's."""

    host: Annotated[str, Pattern(r"[A-Za-z0-9_.:%-]{1,255}", "is not a host", "Write an address such as 0.0.0.0.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Range(0, 65_535)] = 8080  # 0: any that is free
    trusted_proxies: tuple[Annotated[str, Network()], ...] = ()  # whose X-Forwarded-For is believed
    worker: bool = True  # serve starts the worker, which places calls, itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``[limits]``: what one caller, one address or one moment may ask of the bridge. ``max_calls`` stands at the top."""

    calls_per_caller: Annotated[int, Range(0, 1000)] = 0  # at once from one number; 0: no limit (a company shares one)
    calls_per_caller_per_hour: Annotated[int, Range(0, 100_000)] = 0  # 0: no limit
    agent_minutes_per_day: Annotated[int, Range(0, 10_000_000)] = 0  # of all calls, on all instances; 0: no limit
    loop_lag_ms: Annotated[int, Range(0, 10_000)] = (
        100  # p95 over three seconds beyond which calls are refused; 0: never
    )
    prewarmed: Annotated[int, Range(0, 10_000)] = 50  # agent sessions held for streams that are not there yet
    prewarm_hold_s: Annotated[float, Range(1, 60)] = 10.0  # then they are given back
    pending_sockets: Annotated[int, Range(1, 10_000)] = 32  # media sockets that carry neither signature nor grant yet
    pending_sockets_per_address: Annotated[int, Range(1, 10_000)] = 4
    tool_calls: Annotated[int, Range(1, 100_000)] = 100  # of one call
    concurrent_tool_calls: Annotated[int, Range(1, 100)] = 4  # of one call
    transfers: Annotated[int, Range(0, 100)] = 3  # of one call, whoever asks, and failed ones too


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key of the operator API and the dashboard. Written short: the key alone, an operator's."""

    shorthand: ClassVar[str] = "key"
    key: Annotated[Secret, Length(2, 1000)]  # fewer than GOOD_KEY characters are warned of
    role: Literal["viewer", "operator"] = "operator"
    name: Name | None = None  # who it is, in the log of what was done


@dataclass(frozen=True, slots=True, kw_only=True)
class Jwt:
    """``[api.jwt]``: an issuer whose tokens get credentials for apps (RFC 7519). Only asymmetric signatures."""

    issuer: Annotated[str, Length(1, 1000)]
    audience: Annotated[str, Length(1, 1000)]
    jwks_url: SecureUrl
    algorithms: tuple[Literal["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"], ...] = ("RS256", "ES256")
    user_claim: Annotated[str, Length(1, 100)] = "sub"  # whom the limits are counted by


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """``[api]``. Without keys the operator API and the dashboard are off."""

    keys: Annotated[tuple[ApiKey, ...], Length(0, 1000)] = ()
    jwt: Jwt | None = None
    session_hours: Annotated[float, Range(0.25, 720)] = 12.0  # of a dashboard login
    credentials_per_minute: Annotated[int, Range(1, 10_000)] = 10  # signed URLs and tokens, per user
    public_credentials_per_hour: Annotated[int, Range(0, 1_000_000)] = (
        60  # for each agent that needs no credential itself
    )
    public_max_duration_s: Annotated[int, Range(10, 14_400)] = 600  # of a conversation with such an agent


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """``[tools.NAME]``: a business system that agents may ask."""

    url: Annotated[CalledUrl, Length(1, 2000)] = field(repr=False)
    secret: SigningSecrets | None = None  # signs what we send, as Standard Webhooks has it
    timeout_s: Annotated[float, Range(0.1, 60)] = 8.0
    schema: Annotated[Mapping[str, Any], JsonTable()] | None = None  # JSON Schema of the arguments
    durable: bool = False  # kept and delivered later where it cannot be delivered now
    idempotent: bool = False  # it heeds webhook-id, so a request that failed may be made again
    allow_private: bool = False  # a name that resolves to a private address is called too
    result: CallResult | None = None  # what a call has come to in which this tool was answered without an "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEndpoint:
    """``[events.NAME]``: who is told what happens, at least once, in order per call."""

    url: Annotated[CalledUrl, Length(1, 2000)] = field(repr=False)
    secret: SigningSecrets
    types: tuple[EventType, ...] = ()  # empty: all
    timeout_s: Annotated[float, Range(0.1, 60)] = 10.0
    retry_hours: Annotated[float, Range(0, 168)] = 24.0  # then it is a dead letter
    allow_private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """``[chat]``: text, by SMS (a line's ``text_agent``), over the API and in the widget."""

    agents: tuple[str, ...] = ()  # Kura agents that the widget may talk to; empty: the widget is off
    origins: tuple[SecureUrl, ...] = ()  # of the pages that may embed it
    idle_s: Annotated[int, Range(30, 86_400)] = 1800  # then the next message opens a new session
    max_sessions: Annotated[int, Range(1, 100_000)] = 200  # at once
    messages_per_hour: Annotated[int, Range(1, 10_000)] = 60  # of one number or visitor: stops two machines talking
    call_from: PhoneNumber | None = None  # the line that calls visitors who ask for it; None: nobody is called
    text_prefixes: tuple[Prefix, ...] = ()  # numbers that are texted begin so; empty: with the line's own country code
    help_text: Spoken = "Reply STOP to receive no more messages."  # the answer to HELP


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSettings:
    """``[recording]``: where and how; whether is a line's own."""

    folder: Annotated[str, Length(1, 1000)] = "var/recordings"
    format: Literal["flac", "opus"] = "flac"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """``[prompts]``: what the bridge says itself."""

    language: Annotated[str, Pattern(r"[a-z]{2,3}(-[A-Z]{2})?", "is not a language", 'Write "en-US" or "de-DE".')] = (
        "en-US"
    )
    hold: Spoken = "One moment, please."  # the agent is not there yet, or is being replaced; on hold
    # An agent's first words after a loss, in its own voice; "": those it always begins with.
    resumed: Spoken = "Sorry, I was gone for a moment. Please go on."
    # Its first words where it has the caller back because nobody has taken a transfer; as ``resumed`` where either is "".
    not_taken: Spoken = "I am sorry, nobody can take your call at this moment. Can I help you with anything else?"
    slow: Spoken = "I am sorry, the connection is slow. Please hold on."  # the agent does not answer what was said
    busy: Spoken = "All our lines are busy at the moment. Please try again later."
    draining: Spoken = "We cannot take your call at this moment. Please try again in a few minutes."
    failed: Spoken = "We are having technical trouble. Please call again later. Goodbye."
    closed: Spoken = "We are closed at the moment. Please call again during our opening hours."
    # At a call's longest duration, and at a drain's deadline.
    farewell: Spoken = "We have to close this call now. Please call again in a moment. Goodbye."


@dataclass(frozen=True, slots=True, kw_only=True)
class Logging:
    """``[logging]``: always on standard output."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "pretty"] = "auto"  # auto: pretty on a terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """``[metrics]``."""

    enabled: bool = True  # GET /metrics, on loopback or with an operator key


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracing:
    """``[tracing]``: every call as a trace. Needs ``callbridge[tracing]``."""

    # Where a collector takes traces over OTLP/HTTP; None: no traces.
    url: Annotated[str, Address(schemes=("https", "http"), plain="anywhere")] | None = None
    headers: Annotated[Mapping[str, Secret], Length(0, 20)] = field(default_factory=dict)
    share: Annotated[float, Range(0, 1)] = 1.0  # of calls
