"""What people say on the phone of an appointment, a table for each language: data, to be added to.

Everything is written as ``said.fold`` leaves it: small letters, no accents, ``ss`` for sharp s. Each entry is a regular
expression between word boundaries. Rather too narrow than too wide: what is not understood is ``talked``, and a person reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bridge.outbound.phrases.germanic import DUTCH, ENGLISH, GERMAN
from bridge.outbound.phrases.romance import FRENCH, ITALIAN, PORTUGUESE, SPANISH
from bridge.outbound.phrases.shape import Phrases as Phrases

PHRASES: Final[Mapping[str, Phrases]] = {
    "en": ENGLISH,
    "es": SPANISH,
    "fr": FRENCH,
    "de": GERMAN,
    "it": ITALIAN,
    "pt": PORTUGUESE,
    "nl": DUTCH,
}
