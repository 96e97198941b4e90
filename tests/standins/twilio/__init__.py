"""A strict stand-in of Twilio: the carrier that calls a bridge, and the REST API that a bridge calls."""

from .call import PhoneCall
from .carrier import Carrier
from .hooks import Exchange
from .media import MediaStream
from .playout import Playout
from .signature import sign
from .twiml import TwimlError, Verb, parse
from .verbs import DialResult

__all__ = [
    "Carrier",
    "DialResult",
    "Exchange",
    "MediaStream",
    "PhoneCall",
    "Playout",
    "TwimlError",
    "Verb",
    "parse",
    "sign",
]
