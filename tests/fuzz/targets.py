"""The four parsers that hostile bytes reach, each as a function of bytes that raises only where a promise is broken."""

import xml.etree.ElementTree as ET
from collections.abc import Callable

from bridge.agents.kura.stream import KuraStream
from bridge.agents.xuna.stream import XunaStream
from bridge.call import events as e
from bridge.call.ports import Brief, Secret
from bridge.carriers.twilio.stream import TwilioStream
from bridge.carriers.twilio.webhooks import (
    Signature,
    WebhookRefused,
    parse_after,
    parse_form,
    parse_status,
    parse_voice,
    twiml,
)
from bridge.errors import ProtocolError

ACCOUNT = "AC" + "0123456789abcdef" * 2
START = (
    b'{"event":"start","sequenceNumber":"1","start":{"accountSid":"' + ACCOUNT.encode() + b'","streamSid":"MZ' + b"0" * 32
    + b'","callSid":"CA' + b"0" * 32 + b'","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,'
    b'"channels":1},"customParameters":{"grant":"g"}},"streamSid":"MZ' + b"0" * 32 + b'"}'
)  # fmt: skip
METADATA = (
    b'{"type":"conversation_initiation_metadata","conversation_initiation_metadata_event":{"conversation_id":"c",'
    b'"agent_output_audio_format":"pcm_16000","user_input_audio_format":"pcm_16000"}}'
)
VERBS = {"Response", "Say", "Hangup"}
BRIEF = Brief("call_1", "CA" + "0" * 32, "inbound", "+15550123456", "+15550100")


def carrier(data: bytes) -> None:
    """A media socket's messages: events or ProtocolError, before start and after it."""
    for begun in (False, True):
        stream = TwilioStream()
        if begun:
            assert isinstance(stream.receive(START)[0], e.PhoneOpened)
        for message in data.split(b"\n")[:20]:
            try:
                stream.receive(message)
            except ProtocolError:
                continue


def agent(data: bytes) -> None:
    """An agent's messages, of every kind of agent: events or ProtocolError."""
    xuna, dialect = XunaStream(BRIEF), XunaStream(BRIEF, dialect="elevenlabs")
    kura = KuraStream("s")
    for stream, ready in ((xuna, METADATA), (dialect, METADATA), (kura, b'{"type":"sessionOpen","mode":"voice"}')):
        stream.receive(ready)
        for message in data.split(b"\n")[:20]:
            try:
                stream.receive(message)
            except ProtocolError:
                continue


def webhook(data: bytes) -> None:
    """A webhook's body: a typed request or a refusal with its status; without the right signature always a refusal."""
    refusal: WebhookRefused | None = None
    try:
        form = parse_form(data, "application/x-www-form-urlencoded")
        for parse in (parse_voice, parse_after, parse_status):
            parse(form, account_sid=ACCOUNT)
    except WebhookRefused as error:
        refusal = error
    assert refusal is None or 400 <= refusal.status < 500
    signature = Signature(tokens=[Secret("x" * 32)], public_url="https://bridge.example.com")
    header = data[:28].decode("latin-1")
    assert not signature.verify(header, path=b"/twilio/voice", body=data)


def answer(data: bytes) -> None:
    """Any words in TwiML: a document that parses, of known verbs, with those words and nothing else."""
    words = data[: len(data) // 2 * 2].decode("utf-16-le", "surrogatepass")  # lone surrogates are words too
    root = ET.fromstring(str(twiml.say(words) + twiml.hangup()))
    assert {element.tag for element in root.iter()} <= VERBS
    said = "".join(element.text or "" for element in root.iter("Say"))
    # White space is XML's to normalise.
    assert "".join(twiml.clean(words).split()).startswith("".join(said.split()))


TARGETS: dict[str, Callable[[bytes], None]] = {"carrier": carrier, "agent": agent, "webhook": webhook, "twiml": answer}
