"""What a person said of the appointment, out of the transcript, in any of the languages of ``phrases``.

The language of a call is not known for sure (people answer in their own), so every table is looked at.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.outbound.phrases import PHRASES, Phrases

_SENTENCE: Final = re.compile(r"[^.!?;]+[.!?;]*")
_APOSTROPHES: Final = str.maketrans(
    {"\u2019": "'", "\u2018": "'", "\u00b4": "'", "`": "'", "\u2010": "-", "\u2011": "-"}
)


@dataclass(frozen=True, slots=True)
class _Language:
    """The table of one language, ready to be looked for."""

    void: re.Pattern[str]
    opted_out: re.Pattern[str]
    wrong_number: re.Pattern[str]
    rescheduled: re.Pattern[str]
    confirmed: re.Pattern[str]
    against: re.Pattern[str]
    doubt: re.Pattern[str]


def _any(phrases: Sequence[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w'])(?:{'|'.join(phrases)})(?!\w)", re.ASCII)


def _language(phrases: Phrases) -> _Language:
    return _Language(
        void=_any(phrases.void),
        opted_out=_any(phrases.opted_out),
        wrong_number=_any(phrases.wrong_number),
        rescheduled=_any(phrases.rescheduled),
        confirmed=_any(phrases.confirmed),
        against=_any(phrases.against),
        doubt=_any(phrases.doubt),
    )


_LANGUAGES: Final = tuple(map(_language, PHRASES.values()))


def fold(text: str) -> str:
    """As the tables are written: small letters without accents, plain apostrophes, single spaces."""
    plain = unicodedata.normalize("NFKD", text.translate(_APOSTROPHES).casefold())
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())


def understood(texts: Iterable[str]) -> str:
    """opted_out, wrong_number, rescheduled, confirmed, or "" where nothing is sure; ``texts`` in the order they were said.

    Opting out is looked for first, since it binds us. A confirmation is one only where nothing denies or doubts it, in its
    sentence or later.
    """
    said = [fold(text) for text in texts]
    results = [(language, [language.void.sub(" ", text) for text in said]) for language in _LANGUAGES]
    for name in ("opted_out", "wrong_number", "rescheduled"):
        for language, rest in results:
            pattern: re.Pattern[str] = getattr(language, name)
            if any(pattern.search(text) for text in rest):
                return name
    return "confirmed" if _confirmed(said) else ""


def _confirmed(said: Sequence[str]) -> bool:
    found = False
    for text in said:
        for sentence in _SENTENCE.findall(text):
            rests = [(language, language.void.sub(" ", sentence)) for language in _LANGUAGES]
            if any(language.doubt.search(rest) for language, rest in rests):
                found = False
                continue
            # Spanish and Portuguese share "confirmo", but not the word that denies it: either one's denial counts.
            confirming = [(language, rest) for language, rest in rests if language.confirmed.search(rest)]
            if confirming:
                denied = any(language.against.search(rest) for language, rest in confirming)
                found = not denied and not sentence.endswith("?")
    return found
