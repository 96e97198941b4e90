"""A strict stand-in of Twilio: the carrier that calls a bridge, and the REST API that a bridge calls."""

from .call import PhoneCall
from .carrier import Carrier
from .dialling import Dialler, Person
from .hooks import Exchange
from .media import MediaStream
from .playout import Playout
from .rest import TwilioRest, failing
from .signature import sign
from .twiml import TwimlError, Verb, parse
from .verbs import DialResult

__all__ = [
    "Carrier",
    "DialResult",
    "Dialler",
    "Exchange",
    "MediaStream",
    "Person",
    "PhoneCall",
    "Playout",
    "TwilioRest",
    "TwimlError",
    "Verb",
    "failing",
    "parse",
    "sign",
]
