"""What the bridge answers a webhook with: TwiML, as far as a telephone has to follow it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin
from xml.etree import ElementTree as ET

from bridge.phone.options import PhoneFailure

MAX_BYTES: Final = 65536  # of a document: the carrier's own limit
MAX_PARAMETER: Final = 500  # characters of name and value together, from which on the carrier refuses


@dataclass(frozen=True, slots=True)
class Verb:
    """One instruction: its name, attributes, text, and the nouns inside it."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    nouns: tuple[Verb, ...] = ()

    def url(self, attribute: str, base: str) -> str | None:
        """An attribute as an absolute URL; None where it is not there."""
        value = self.attributes.get(attribute)
        return None if value is None else urljoin(base, value)


def parse(body: bytes) -> tuple[Verb, ...]:
    """The verbs of a document. Raises PhoneFailure where a carrier would report error 12100."""
    if len(body) > MAX_BYTES:
        raise PhoneFailure(f"the TwiML has {len(body)} bytes; a carrier takes {MAX_BYTES}")
    try:
        # expat has refused entity bombs since 2.4.1, and external entities are not fetched
        root = ET.fromstring(body)  # noqa: S314
    except ET.ParseError as error:
        raise PhoneFailure(f"the answer is no TwiML: {error}", hint="Is this the bridge's own address?") from error
    if root.tag != "Response":
        raise PhoneFailure(f"the answer is no TwiML: its root is <{root.tag}>, not <Response>")
    return tuple(_verb(child) for child in root)


def stream_of(verb: Verb) -> tuple[str, dict[str, str]]:
    """The media socket's URL and parameters in a ``<Connect>``. Raises PhoneFailure where there is none to open."""
    stream = next((noun for noun in verb.nouns if noun.name == "Stream"), None)
    if stream is None:
        raise PhoneFailure("<Connect> holds no <Stream>")
    url = stream.attributes.get("url", "")
    if not url.startswith(("wss://", "ws://")):
        raise PhoneFailure("the URL of <Stream> is no WebSocket URL", hint="Twilio takes wss:// only.")
    parameters = {}
    for noun in stream.nouns:
        name, value = noun.attributes.get("name", ""), noun.attributes.get("value", "")
        if len(name) + len(value) >= MAX_PARAMETER:
            raise PhoneFailure(f"<Parameter name={name!r}> is longer than {MAX_PARAMETER} characters")
        parameters[name] = value
    # A query is stripped before the carrier connects: what was in it never arrives.
    return url.partition("?")[0], parameters


def _verb(element: ET.Element) -> Verb:
    nouns = tuple(_verb(child) for child in element)
    return Verb(element.tag, dict(element.attrib), (element.text or "").strip(), nouns)
