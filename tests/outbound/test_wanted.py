"""A request for one call: whatever is sent is either a call that can be, or refused in words."""

from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.call.plan import Line
from bridge.carriers.twilio.rest import MAX_TWIML
from bridge.carriers.twilio.webhooks import twiml
from bridge.outbound.numbers import Destinations
from bridge.outbound.policy import Policy
from bridge.outbound.refusal import Refused
from bridge.outbound.wanted import MAX_MESSAGE, MAX_TAG, read
from bridge.store.budget import Budget

US, THEM = "+12125550100", "+12125550123"
NOW = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)
POLICY = Policy(
    destinations=Destinations(["+1"], frozenset({US})),
    budget=Budget(),
    lines={US: Line(number=US, agents=("support",))},
    agents=frozenset({"support", "other"}),
    max_duration_s=600,
)
TEXTS = ["to", "from", "agent", "first_message", "machine_detection", "voicemail_message", "not_before", "not_after"]
keys = st.sampled_from([*TEXTS, "variables", "max_duration_s"])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from([US, THEM]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(keys, values, max_size=6) | values)
def test_anything_is_a_call_or_refused(body: Any) -> None:
    """Never another error."""
    try:
        number = read(body, POLICY, NOW).to
    except Refused:
        return
    assert number == THEM


def test_what_is_left_out_is_as_the_line_has_it() -> None:
    """One line of ours calls where nobody says which; its agent speaks."""
    wanted = read({"to": THEM}, POLICY, NOW)
    assert (wanted.from_, wanted.agent, wanted.max_duration_s) == (US, "support", 600)


@pytest.mark.parametrize(
    "body",
    [
        {"not_before": "2026-11-02T16:00:00"},  # no zone
        {"not_after": "2026-11-02T14:59:00Z"},  # passed
        {"not_before": "2026-11-03T00:00:00Z", "not_after": "2026-11-02T23:00:00Z"},
        {"not_before": "2037-11-03T00:00:00Z"},
        {"max_duration_s": 0},
        {"max_duration_s": 601},
        {"max_duration_s": True},
        {"variables": {"bad name": 1}},
        {"variables": {"x": None}},
        {"variables": {str(n): n for n in range(101)}},
        {"agent": "nobody"},
        {"from": THEM},
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(body: dict[str, Any]) -> None:
    """Times, bounds, names."""
    with pytest.raises(Refused) as refused:
        read({"to": THEM, **body}, POLICY, NOW)
    assert refused.value.hint


def test_nobody_calls_themselves() -> None:
    """Where any number is a line of ours, the one that calls is one too."""
    policy = Policy(
        destinations=Destinations(["+1"], frozenset()),
        budget=Budget(),
        lines={"*": Line(number="*", agents=("support",))},
        agents=frozenset({"support"}),
    )
    assert read({"to": THEM, "from": US}, policy, NOW).from_ == US
    with pytest.raises(Refused):
        read({"to": US, "from": US}, policy, NOW)


@pytest.mark.parametrize(("sign", "written"), [("&", 5), ("<", 4), (">", 4), ("a", 1)])
def test_a_message_is_left_whole_or_refused(sign: str, written: int) -> None:
    """What counts is how it is written to the carrier, for whom one request has only so much room."""
    body = {"to": THEM, "machine_detection": "leave_message"}
    room = MAX_TWIML - len(str(twiml.say("a", language="x" * MAX_TAG) + twiml.hangup())) + 1
    most = min(room // written, MAX_MESSAGE)
    message = read({**body, "voicemail_message": sign * most}, POLICY, NOW).voicemail_message
    text = str(twiml.say(message, language="x" * MAX_TAG) + twiml.hangup())
    assert len(text) <= MAX_TWIML
    assert ET.fromstring(text).findtext("Say") == sign * most
    with pytest.raises(Refused) as refused:
        read({**body, "voicemail_message": sign * (most + 1)}, POLICY, NOW)
    assert (refused.value.status, "characters" in refused.value.hint) == (422, True)


def test_a_variable_may_be_named_as_one_of_the_bridge_s() -> None:
    """It is taken: whoever tells the agent lets the bridge's own win."""
    assert read({"to": THEM, "variables": {"direction": "inbound"}}, POLICY, NOW).variables == {"direction": "inbound"}
