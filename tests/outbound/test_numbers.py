"""Destinations: the table of what may be dialled."""

import pytest

from bridge.outbound.numbers import Destinations, may_text
from bridge.outbound.refusal import Refused

OWN = frozenset({"+12125550100"})


@pytest.mark.parametrize(
    ("number", "allowed"),
    [
        ("+12125550123", ["+1"]),  # United States
        ("+15550123456", ["+1"]),  # possible, assigned to nobody
        ("+18005550123", ["+1"]),  # toll-free
        ("+442071838750", ["+44"]),
        ("+4915123456789", ["+49"]),
        ("+819012345678", ["+81"]),
        ("+16135550123", ["+1613"]),  # Ottawa, named
        ("+18765550123", ["+1", "+1876"]),  # Jamaica, named
        ("+19002345678", ["+1900"]),  # premium, named
        ("+8816551234567", ["+881"]),  # satellite, named
        ("+447700900123", ["+447"]),
        ("+33612345678", ["+33"]),
    ],
)
def test_what_is_allowed_passes(number: str, allowed: list[str]) -> None:
    """A possible number within an allowed prefix is given back as it is."""
    assert Destinations(allowed, OWN).check(number) == number


@pytest.mark.parametrize(
    ("number", "allowed"),
    [
        ("+12125550123", []),
        ("+12125550123", ["+44"]),
        ("+442071838750", ["+1"]),
        ("+12125550100", ["+1"]),  # our own
        ("+16135550123", ["+1"]),  # Canada
        ("+18765550123", ["+1"]),  # Jamaica
        ("+18095550123", ["+1"]),  # Dominican Republic
        ("+12845550123", ["+1"]),  # British Virgin Islands
        ("+12645550123", ["+1"]),  # Anguilla
        ("+14735550123", ["+1"]),  # Grenada
        ("+16645550123", ["+1"]),  # Montserrat
        ("+17875550123", ["+1"]),  # Puerto Rico
        ("+16715550123", ["+1"]),  # Guam
        ("+14415550123", ["+1"]),  # Bermuda
        ("+12425550123", ["+1"]),  # Bahamas
        ("+19005551234", ["+1"]),  # premium
        ("+19002345678", ["+1"]),
        ("+12129761234", ["+1"]),  # premium exchange
        ("+449098790123", ["+44"]),  # premium, United Kingdom
        ("+4990012345678", ["+49"]),
        ("+33899123456", ["+33"]),
        ("+8816551234567", ["+8"]),  # satellite, named by a wider prefix
        ("+88213123456", ["+8"]),
        ("+870773123456", ["+8"]),
        ("+97912345678", ["+9"]),
        ("+911", ["+9"]),
        ("+1911", ["+1"]),
        ("+1411", ["+1"]),
        ("+121255501", ["+1"]),  # too short
        ("+121255501234", ["+1"]),  # too long
        ("+123456789012345", ["+1"]),
        ("+99912345678", ["+9"]),  # no such country
        ("12125550123", ["+1"]),
        ("0012125550123", ["+1"]),
        ("+1 212 555 0123", ["+1"]),
        ("+1-212-555-0123", ["+1"]),
        ("+12125550123;ext=5", ["+1"]),
        ("+12125550123,,5", ["+1"]),
        ("+12125550123w5", ["+1"]),
        ("+12125550123\n", ["+1"]),
        ("tel:+12125550123", ["+1"]),
        ("sip:+12125550123@example.com", ["+1"]),
        ("client:ada", ["+1"]),
        ("+१२१२५५५०१२३", ["+1"]),
        ("+1２125550123", ["+1"]),
        ("+02125550123", ["+"]),
        ("", ["+1"]),
        ("+", ["+1"]),
        ("+18765550123", ["+18"]),  # a prefix that names no country of +1
    ],
)
def test_what_is_not_is_refused_with_a_remedy(number: str, allowed: list[str]) -> None:
    """Everything else is refused, says why, and repeats no number."""
    with pytest.raises(Refused) as refused:
        Destinations(allowed, OWN).check(number)
    assert refused.value.status == 422
    assert refused.value.hint
    assert not number.strip("+") or number.strip() not in str(refused.value)


@pytest.mark.parametrize(
    ("person", "line", "allowed", "may"),
    [
        ("+15550123456", "+15550100", (), True),
        ("+12125550123", "+15550100", (), True),
        ("+4915112345678", "+15550100", (), False),
        ("+4915112345678", "+493012345", (), True),
        ("+4915112345678", "+15550100", ("+49",), True),
        ("+15550123456", "+15550100", ("+49",), False),
        ("anonymous", "+15550100", (), False),
        ("+15550123456", "*", (), False),
    ],
)
def test_texts_go_to_the_lines_own_country_or_to_those_that_are_named(
    person: str, line: str, allowed: tuple[str, ...], *, may: bool
) -> None:
    """Answering the rest is how others earn money with us."""
    assert may_text(person, line, allowed) is may
