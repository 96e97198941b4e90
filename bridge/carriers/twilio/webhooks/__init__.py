"""Twilio's requests to us and our answers (TwiML): signature, form, requests, TwiML. No network, no clock.

One door for a request: ``Signature.admit(...) -> Form``, then one of the parse functions. Every refusal is a
``WebhookRefused`` that knows its HTTP status.
"""

from bridge.carriers.twilio.webhooks.codes import Explanation, explain_code, explain_sip
from bridge.carriers.twilio.webhooks.form import (
    BadRequest,
    ForeignAccount,
    Form,
    TooLarge,
    Unsigned,
    UnsupportedMedia,
    WebhookRefused,
    parse_form,
)
from bridge.carriers.twilio.webhooks.outcome import Ended, ended, status_of
from bridge.carriers.twilio.webhooks.requests import (
    AfterRequest,
    InboundMessage,
    MachineResult,
    MessageUpdate,
    RecordingUpdate,
    StatusUpdate,
    StreamStatus,
    VoiceRequest,
    parse_after,
    parse_machine_result,
    parse_message,
    parse_message_update,
    parse_recording,
    parse_status,
    parse_stream_status,
    parse_voice,
)
from bridge.carriers.twilio.webhooks.signature import Signature

__all__ = [
    "AfterRequest",
    "BadRequest",
    "Ended",
    "Explanation",
    "ForeignAccount",
    "Form",
    "InboundMessage",
    "MachineResult",
    "MessageUpdate",
    "RecordingUpdate",
    "Signature",
    "StatusUpdate",
    "StreamStatus",
    "TooLarge",
    "Unsigned",
    "UnsupportedMedia",
    "VoiceRequest",
    "WebhookRefused",
    "ended",
    "explain_code",
    "explain_sip",
    "parse_after",
    "parse_form",
    "parse_machine_result",
    "parse_message",
    "parse_message_update",
    "parse_recording",
    "parse_status",
    "parse_stream_status",
    "parse_voice",
    "status_of",
]
