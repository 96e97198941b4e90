"""A campaign from a request."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from bridge.call.plan import Line
from bridge.outbound.importing import APART, judge, judge_apart
from bridge.outbound.numbers import Destinations
from bridge.outbound.policy import Policy
from bridge.outbound.refusal import Refused
from bridge.outbound.rules import Defaults
from bridge.settings.hours import Period
from bridge.store.budget import Budget

US = "+12125550100"
NOW = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)
POLICY = Policy(
    destinations=Destinations(["+1"], frozenset({US})),
    budget=Budget(),
    lines={US: Line(number=US, agents=("support",))},
    agents=frozenset({"support"}),
)
DEFAULTS = Defaults(hours=(Period.parse("mon-sun 08:00-21:00"),), parse_hours=Period.parse)
PERSON = {"number": "+12125552000", "zone": "America/New_York"}
CSV = "number,zone\n+12125552000,America/New_York\n"


def body(**values: Any) -> bytes:
    """A request's."""
    return msgspec.json.encode(values)


@pytest.mark.parametrize("people", [{"people": [PERSON]}, {"csv": CSV}], ids=["json", "csv"])
def test_both_kinds_of_list_are_read_alike(people: dict[str, Any]) -> None:
    """One person, to be called, whichever way it was written."""
    judged = judge(body(name="spring", rules={"max_attempts": 2}, **people), POLICY, DEFAULTS, NOW)
    assert [target.number for target in judged.preview.targets] == ["+12125552000"]
    assert (judged.name, dict(judged.rules)) == ("spring", {"max_attempts": 2})


def test_rules_are_kept_as_they_were_sent() -> None:
    """What nobody set is not frozen at today's configuration, and times stay JSON."""
    judged = judge(body(csv=CSV, rules={"not_after": "2026-11-05T00:00:00Z"}), POLICY, DEFAULTS, NOW)
    assert msgspec.json.decode(msgspec.json.encode(judged.rules)) == {"not_after": "2026-11-05T00:00:00Z"}
    assert judged.name == "campaign"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b"[]", 422),
        (b'{"people": ' + b"[" * 100_000, 400),
        (body(), 422),
        (body(csv=CSV, people=[PERSON]), 422),
        (body(csv=CSV, name="n" * 201), 422),
        (body(csv=CSV, other=1), 422),
        (body(csv=CSV, rules={"agent": "nobody"}), 422),
        (body(people={"number": "x"}), 422),
        (body(csv="name\nAda\n"), 422),
    ],
)
def test_a_request_that_cannot_be_is_refused_whole(raw: bytes, status: int) -> None:
    """Nothing is taken of a body that is no campaign."""
    with pytest.raises(Refused) as caught:
        judge(raw, POLICY, DEFAULTS, NOW)
    assert caught.value.status == status


def test_a_bad_line_spoils_no_other() -> None:
    """The mistake is told with its line."""
    judged = judge(body(csv=CSV + "12,America/New_York\n"), POLICY, DEFAULTS, NOW)
    assert len(judged.preview.targets) == 1
    assert [each.line for each in judged.preview.skipped] == [3]


async def test_a_small_list_is_judged_on_the_spot() -> None:
    """The same verdict, and the same refusal."""
    judged = await judge_apart(body(csv=CSV), POLICY, DEFAULTS, NOW)
    assert len(judged.preview.targets) == 1
    with pytest.raises(Refused):
        await judge_apart(body(), POLICY, DEFAULTS, NOW)


async def test_a_large_list_is_judged_elsewhere_to_the_same_end() -> None:
    """Verdict and refusal come through from the other process, status and remedy included."""
    lines = "".join(f"+1212555{n:04d},America/New_York\n" for n in range(2000, 5000))
    raw = body(csv="number,zone\n" + lines)
    assert len(raw) >= APART
    judged = await judge_apart(raw, POLICY, DEFAULTS, NOW)
    assert len(judged.preview.targets) == 3000
    with pytest.raises(Refused, match="not JSON") as caught:
        await judge_apart(raw[:-1], POLICY, DEFAULTS, NOW)
    assert caught.value.status == 400
    assert caught.value.hint
