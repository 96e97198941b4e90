"""The rules of a campaign."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from bridge.call.plan import Line
from bridge.outbound.numbers import Destinations
from bridge.outbound.policy import Policy
from bridge.outbound.refusal import Refused
from bridge.outbound.rules import Defaults, Rules, budget_of, caller_for, pool_of, read_rules, window_of
from bridge.settings.hours import Period
from bridge.store.budget import Budget

US = "+12125550100"
POLICY = Policy(
    destinations=Destinations(["+1"], frozenset({US})),
    budget=Budget(),
    lines={US: Line(number=US, agents=("support",))},
    agents=frozenset({"support"}),
)
DEFAULTS = Defaults(
    hours=(Period.parse("mon-sun 08:00-21:00"),), parse_hours=Period.parse, holidays=(date(2026, 12, 25),)
)
NEW_YORK = ("America/New_York",)


def test_no_rules_are_rules() -> None:
    """What is left out is as the configuration has it."""
    rules = read_rules({}, POLICY, DEFAULTS)
    assert rules == Rules()
    assert budget_of(rules) == Budget()


@pytest.mark.parametrize(
    "body",
    [
        [],
        "x",
        {"unknown": 1},
        {"agent": "nobody"},
        {"agent": 7},
        {"from": ["+12125550999"]},
        {"voicemail_message": "&" * 1000},
        {"variables": {"1st": "x"}},
        {"first_message": "x" * 2001},
        {"machine_detection": "maybe"},
        {"machine_detection": "leave_message"},
        {"max_duration_s": 0},
        {"max_duration_s": 14_401},
        {"hours": ["whenever"]},
        {"not_before": "2026-11-02T15:00:00"},
        {"not_after": "2026-11-02T15:00:00"},
        {"not_before": "2026-11-02T15:00:00Z", "not_after": "2026-11-02T15:00:00Z"},
        {"calls_per_second": 0},
        {"max_concurrent": 0},
        {"daily_limit": -1},
        {"max_attempts": 21},
        {"retry_delay_s": 0},
        {"retry_on": ["talked"]},
        {"max_failure_rate": 1.1},
        {"failure_window": 4},
    ],
)
def test_rules_that_cannot_be_are_refused(body: Any) -> None:
    """Each mistake is told before anybody is called, with a remedy."""
    with pytest.raises(Refused) as caught:
        read_rules(body, POLICY, DEFAULTS)
    assert caught.value.status == 422
    assert caught.value.hint


def test_rules_are_read_whole() -> None:
    """Everything that may be set reaches the campaign."""
    rules = read_rules(
        {
            "agent": "support",
            "from": [US],
            "variables": {"clinic": "North"},
            "machine_detection": "leave_message",
            "voicemail_message": "Call us.",
            "not_before": "2026-11-02T09:00:00-05:00",
            "retry_on": ["busy", "machine"],
        },
        POLICY,
        DEFAULTS,
    )
    assert (rules.agent, rules.from_, rules.variables) == ("support", [US], {"clinic": "North"})
    assert rules.not_before == datetime(2026, 11, 2, 14, tzinfo=UTC)
    assert (rules.voicemail_message, rules.retry_on) == ("Call us.", ["busy", "machine"])


def test_a_message_is_wanted_where_the_house_leaves_messages() -> None:
    """The rule of the house holds where the campaign says nothing, so it has to bring the message."""
    policy = replace(POLICY, machine_detection="leave_message")
    with pytest.raises(Refused):
        read_rules({}, policy, DEFAULTS)
    assert read_rules({"machine_detection": "off"}, policy, DEFAULTS).machine_detection == "off"


def test_a_campaigns_hours_replace_those_of_the_house() -> None:
    """Its own hours are not added to the wider ones."""
    noon = datetime(2026, 11, 2, 17, 0, tzinfo=UTC)  # a Monday, twelve in New York
    assert window_of(Rules(), DEFAULTS).holds(noon, NEW_YORK)
    assert not window_of(Rules(hours=["mon-fri 13:00-17:00"]), DEFAULTS).holds(noon, NEW_YORK)


def test_holidays_of_both_are_kept() -> None:
    """A campaign adds days on which nobody is called, and takes none of the house's away."""
    window = window_of(Rules(holidays=[date(2026, 11, 26)]), DEFAULTS)
    for day in (date(2026, 11, 26), date(2026, 12, 25)):
        assert not window.holds(datetime(day.year, day.month, day.day, 17, tzinfo=UTC), NEW_YORK)
    assert window.holds(datetime(2026, 11, 27, 17, tzinfo=UTC), NEW_YORK)


def test_limits_are_the_campaigns_own() -> None:
    """Each number lands in the limit of its name."""
    rules = Rules(calls_per_second=2.5, max_concurrent=3, daily_limit=4, daily_minutes=5)
    assert budget_of(rules) == Budget(calls_per_second=2.5, max_concurrent=3, daily_limit=4, daily_minutes=5)


def test_a_house_with_several_numbers_calls_from_the_nearest() -> None:
    """``outbound.caller_numbers`` is a pool: a campaign need not name any."""
    pool = ("+12125550100", "+13105550100")
    policy = replace(POLICY, caller_numbers=pool, lines={"*": Line(number="*", agents=("support",))})
    assert pool_of(read_rules({}, policy, DEFAULTS), policy) == list(pool)
    assert pool_of(read_rules({"from": ["+12125550100"]}, policy, DEFAULTS), policy) == ["+12125550100"]
    nobody = replace(POLICY, caller_numbers=(), lines={"*": Line(number="*", agents=("support",))})
    with pytest.raises(Refused):
        read_rules({}, nobody, DEFAULTS)


def test_the_nearest_number_calls() -> None:
    """Same area before same country before any."""
    pool = ["+493012345678", "+12125550100", "+13105550100", "+14165550100"]
    assert caller_for("+12125550123", pool) == "+12125550100"
    assert caller_for("+13105550123", pool) == "+13105550100"
    assert caller_for("+498912345678", pool) == "+493012345678"


def test_the_same_number_calls_the_same_person_in_whatever_order_the_pool_is() -> None:
    """A person who is called again sees the number from before."""
    pool = ["+12125550100", "+12125550101", "+12125550102"]
    assert caller_for("+12125559999", pool) == caller_for("+12125559999", pool[::-1])
