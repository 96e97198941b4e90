"""Which numbers may be dialled: E.164, possible, within the allowed prefixes, and not of a kind that costs a fortune.

Source: ITU-T E.164 and its list of assigned country codes; libphonenumber's metadata.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType

from bridge.outbound.refusal import Refused

_E164: Final = re.compile(r"\+[1-9][0-9]{1,14}")
# Satellite networks, international networks, premium rate and other codes that are no country's (ITU-T E.164 annex).
_NO_COUNTRY: Final = frozenset({808, 870, 878, 881, 882, 883, 888, 979})
_COSTLY: Final = frozenset({PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST})
_AREA: Final = 3  # digits of an area code in +1
_TRIED: Final = ("2530123", "4560123")  # subscriber numbers that are lawful in every area code of +1


@dataclass(frozen=True, slots=True)
class Destinations:
    """``own``: our numbers, which would call us. ``allowed``: prefixes such as "+1" or "+4930"; none allows nothing."""

    allowed: Sequence[str]
    own: frozenset[str] = field(default_factory=frozenset)

    def check(self, number: str) -> str:
        """The number, where it may be dialled. Raises Refused."""
        if not is_e164(number):
            raise Refused("the number is not in E.164", hint="Write + and country code: +15550123456.")
        if number in self.own:
            raise Refused("the number is one of our own lines", hint="Call somebody else.")
        matching = [prefix for prefix in self.allowed if number.startswith(prefix)]
        if not matching:
            raise Refused(
                "the number is outside the allowed prefixes", hint="Name its prefix in outbound.allowed_prefixes."
            )
        try:
            parsed = phonenumbers.parse(number)
        except phonenumbers.NumberParseException:
            raise _impossible() from None
        if (
            not phonenumbers.is_possible_number(parsed)
            or phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) != number
        ):
            raise _impossible()
        wanted, kind = _own_prefix(number, parsed)
        if max(map(len, matching)) < wanted:
            raise Refused(
                f"the number is {kind}, which no general prefix allows",
                hint=f"If it is to be called, name at least its first {wanted - 1} digits in outbound.allowed_prefixes.",
            )
        return number


def is_e164(number: str) -> bool:
    """Whether it is written as a number: "+" and at most 15 digits."""
    return _E164.fullmatch(number) is not None


def region_of(number: str) -> str:
    """The country or territory, "" where it cannot be told. In +1 the area code tells it, whoever has the number."""
    parsed = phonenumbers.parse(number)
    if parsed.country_code == 1:
        return _region_of_area(str(parsed.national_number)[:_AREA])
    return str(phonenumbers.region_code_for_number(parsed) or "")


@lru_cache(maxsize=1000)  # there are no more
def _region_of_area(area: str) -> str:
    for rest in _TRIED:
        found = phonenumbers.region_code_for_number(phonenumbers.parse(f"+1{area}{rest}"))
        if found:
            return str(found)
    return ""


def _own_prefix(number: str, parsed: PhoneNumber) -> tuple[int, str]:
    """How long a prefix must be to mean this kind of number, "+" included, and what kind that is; 0 for an ordinary one."""
    code = parsed.country_code or 0
    head = 1 + len(str(code))
    if code in _NO_COUNTRY:
        return head, "a satellite or international network's"
    if code == 1:
        area, exchange = number[2:5], number[5:8]
        if area == "900":
            return head + _AREA, "a premium-rate number"
        if exchange == "976":
            return head + 2 * _AREA, "a premium-rate number"
        if region_of(number) not in {"US", ""}:
            return head + _AREA, "in another country of +1"
    if _is_costly(parsed):
        return head + 2, "a premium-rate or shared-cost number"
    return 0, ""


def _is_costly(parsed: PhoneNumber) -> bool:
    """By its beginning too: a number with a digit too many is dialled as well, the network takes what it needs."""
    if phonenumbers.number_type(parsed) in _COSTLY:
        return True
    if parsed.country_code == 1 or phonenumbers.is_valid_number(parsed):
        return False
    code, digits = parsed.country_code or 0, phonenumbers.national_significant_number(parsed)
    for region in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code, ()):
        metadata = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
        for described in (metadata.premium_rate, metadata.shared_cost) if metadata else ():
            for length in described.possible_length if described is not None else ():
                cut = digits[:length].ljust(length, "1")
                whole = phonenumbers.parse(f"+{code}{cut}")
                if len(cut) == length and phonenumbers.number_type(whole) in _COSTLY:
                    return True
    return False


def _impossible() -> Refused:
    return Refused("no such number is possible", hint="Check its digits: too many, too few, or a short code.")


def may_text(person: str, line: str, allowed: Sequence[str]) -> bool:
    """Whether ``line`` may text this person: the number begins with one of ``allowed``, or where none is named it is of the
    line's own country code. Who texts from far away may do so to be answered at our cost.
    """
    if allowed:
        return person.startswith(tuple(allowed))
    try:
        return bool(phonenumbers.parse(person).country_code == phonenumbers.parse(line).country_code)
    except phonenumbers.NumberParseException:
        return False
