"""Lists of people: every line judged, every mistake told, nothing half taken."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.call.plan import Line
from bridge.outbound.importing import judge
from bridge.outbound.numbers import Destinations
from bridge.outbound.people import Preview, Reader
from bridge.outbound.policy import Policy
from bridge.outbound.refusal import Refused
from bridge.outbound.rules import Defaults, Rules, caller_for
from bridge.settings.hours import Period
from bridge.store.budget import Budget

NOW = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)  # a Monday, ten in New York
US = "+12125550100"
POLICY = Policy(
    destinations=Destinations(["+1", "+44"], frozenset({US})),
    budget=Budget(),
    lines={US: Line(number=US, agents=("support",))},
    agents=frozenset({"support"}),
)
DEFAULTS = Defaults(hours=(Period.parse("mon-sun 08:00-21:00"),), parse_hours=Period.parse)


def read(text: str | bytes, *, as_json: bool = False, rules: Rules | None = None) -> Preview:
    """What becomes of a list."""
    raw = text.encode() if isinstance(text, str) else text
    return Reader(POLICY, rules or Rules(), DEFAULTS, NOW).read(raw, json=as_json)


def why(preview: Preview) -> dict[int, str]:
    """Why lines are skipped."""
    return {each.line: each.why for each in preview.skipped}


def test_columns_become_variables() -> None:
    """The agent is told the name, the time and every column of the user's own."""
    found = read("number,name,time,doctor\n+12125550123,Ada,Tuesday at 9,Grace\n")
    assert found.targets[0].document["variables"] == {"doctor": "Grace", "name": "Ada", "time": "Tuesday at 9"}


def test_every_mistake_is_told_by_its_line() -> None:
    """One bad line spoils no other."""
    found = read(
        "number,name,zone,not_after\n"
        "+12125550123,Ada,,\n"
        "12125550124,Bob,,\n"
        "+12125550123,Ada again,,\n"
        "+12125550125,Eve,Mars/Olympus,\n"
        "+12125550126,Dan,,yesterday\n"
        "+12125550127,Fay\n"
        "+18765550123,Jim,,\n"
        "+12125550128,Kim,,2026-11-02T14:00:00Z\n"
        f"{US},Us,,\n"
    )
    assert [target.number for target in found.targets] == ["+12125550123"]
    reasons = why(found)
    assert set(reasons) == {3, 4, 5, 6, 7, 8, 9, 10}
    assert "E.164" in reasons[3]
    assert "line 2" in reasons[4]
    assert "zone" in reasons[5]
    assert "not_after" in reasons[6]
    assert "fields" in reasons[7]
    assert "another country" in reasons[8]
    assert "calling hours" in reasons[9]
    assert "our own" in reasons[10]
    assert found.public()["summary"] == "1 will be called, 8 skipped"


@pytest.mark.parametrize(
    ("text", "as_json"),
    [
        ("name,zone\nAda,\n", False),
        ("", False),
        ("number,number\n", False),
        ('number,name\n+12125550123,"Ada\n', False),  # half written
        (b"number\n\xff\xfe", False),
        (b"number\n\0", False),
        ("number,name\n+12125550123,Ada\n+1212555012", False),  # half written
        ('[{"number": "+12125550123"}, {"num', True),  # half written
        ('{"number": "+12125550123"}', True),
        ("[" * 100_000, True),
    ],
)
def test_what_is_no_list_is_refused_whole(text: str | bytes, as_json: bool) -> None:
    """Nothing is taken from a file that is not what it should be."""
    with pytest.raises(Refused) as refused:
        read(text, as_json=as_json)
    assert refused.value.hint


def test_a_million_lines_are_refused() -> None:
    """The bound is told, nothing is taken."""
    with pytest.raises(Refused, match=r"too (long|large)"):
        read("number\n" + "bad\n" * 1_000_000)


def test_a_last_line_needs_no_end() -> None:
    """Where all of it is there, the file is whole."""
    assert len(read("number,name\n+12125550123,Ada\n+12125550124,Bob").targets) == 2


def test_a_persons_times_are_their_own_and_the_campaigns_hold_besides() -> None:
    """What the campaign says is not copied to each person: it may be changed later."""
    rules = Rules(not_after=datetime(2026, 11, 5, tzinfo=UTC))
    found = read(
        "number,not_after,not_before\n"
        "+12125550123,,\n"
        "+12125550124,2026-11-04T00:00:00Z,\n"
        "+12125550125,2026-11-09T00:00:00Z,2026-11-06T00:00:00Z\n",
        rules=rules,
    )
    plain, own = (target.document for target in found.targets)
    assert "not_after" not in plain
    assert own["not_after"].startswith("2026-11-04")
    assert why(found) == {4: "never within the calling hours"}


def test_separators_of_other_countries_are_understood() -> None:
    """Semicolons, tabs and a byte order mark are what spreadsheets write."""
    for text in ("\ufeffnumber;name\r\n+12125550123;Ada\r\n", "number\tname\n+12125550123\tAda\n"):
        assert read(text).targets[0].name == "Ada"


def test_json_takes_variables_of_any_plain_kind() -> None:
    """Numbers and truth values stay what they are."""
    rows: list[Any] = [{"number": "+12125550123", "variables": {"age": 7, "new": True}}, 5, {"number": 5}]
    found = read(json.dumps(rows), as_json=True)
    assert found.targets[0].document["variables"] == {"age": 7, "new": True}
    assert set(why(found)) == {2, 3}


def test_the_first_call_waits_for_its_window() -> None:
    """A person whose morning has not come is called when it has."""
    rules = Rules(hours=["mon-fri 09:00-10:00"])
    (target,) = read("number,zone\n+12125550123,America/Los_Angeles\n", rules=rules).targets
    assert datetime.fromtimestamp(target.due_us / 1e6, UTC) == datetime(2026, 11, 2, 17, 0, tzinfo=UTC)


def test_ten_thousand_lines_take_less_than_ten_seconds() -> None:
    """Read, judged and previewed."""
    lines = "".join(f"+1212{2000000 + n:07d},Person {n},America/New_York\n" for n in range(10_000))
    began = time.perf_counter()
    body = json.dumps({"name": "many", "csv": "number,name,zone\n" + lines}).encode()
    found = judge(body, POLICY, DEFAULTS, NOW).preview.public()
    assert found["will_be_called"] == 10_000
    assert time.perf_counter() - began < 10


def test_the_nearest_number_calls() -> None:
    """Same area before same country, and always the same for the same person."""
    pool = ["+12125550100", "+14155550100", "+442071838750"]
    assert caller_for("+14155550123", pool) == "+14155550100"
    assert caller_for("+447986123456", pool) == "+442071838750"
    assert len({caller_for("+13035550123", pool) for _ in range(5)}) == 1
