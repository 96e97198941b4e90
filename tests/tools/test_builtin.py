"""bridge/tools/builtin.py."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.call import events as e
from bridge.errors import CarrierFailure, Reason
from bridge.tools.asking import ToolCall, ToolProblem
from bridge.tools.builtin import BuiltIns
from bridge.tools.limits import Allowance

from .conftest import Hands, Live

NOW = datetime(2026, 2, 15, 12, 0, tzinfo=UTC)


def built_ins(hands: Hands, **allowance: int) -> BuiltIns:
    """With one place to transfer to."""
    return BuiltIns(hands, frozenset({"reception"}), Allowance(**allowance), clock=lambda: NOW)


async def run(tools: BuiltIns, live: Live, name: str, **arguments: Any) -> str:
    """The words of the answer, or of the problem after its kind."""
    try:
        return str((await tools.run(ToolCall("support", name, arguments, {}), live))["result"])
    except ToolProblem as problem:
        return f"{problem.kind}: {problem}"


async def test_end_call_waits_for_the_last_words(hands: Hands, live: Live) -> None:
    """The call ends as the agent's own hang-up, after what is queued was heard."""
    await run(built_ins(hands), live, "end_call")
    assert live.events == [e.EndRequested(Reason.AGENT_HANGUP, after_words=True)]


async def test_an_agent_says_what_the_call_came_to(hands: Hands, live: Live) -> None:
    """With the end of the call, in one of the words that a campaign's results know; any other word ends nothing."""
    words = await run(built_ins(hands), live, "end_call", result="splendid")
    assert words.startswith("bad_arguments")
    assert (live.events, live.record.detail) == ([], {})
    await run(built_ins(hands), live, "end_call", result="wrong_number")
    assert live.record.detail["result"] == "wrong_number"


async def test_a_call_back_and_an_opt_out_are_what_the_call_came_to(hands: Hands, live: Live) -> None:
    """Nobody has to say so a second time."""
    await run(built_ins(hands), live, "schedule_callback", at=(NOW + timedelta(hours=2)).isoformat())
    assert live.record.detail["result"] == "callback"
    await run(built_ins(hands), live, "opt_out")
    assert live.record.detail["result"] == "opted_out"


async def test_a_transfer_goes_to_a_configured_name(hands: Hands, live: Live) -> None:
    """The name of a place is what may be asked for."""
    await run(built_ins(hands), live, "transfer_call", to="reception")
    assert live.events == [e.TransferRequested("reception", Reason.AGENT_TRANSFERRED)]


async def test_what_a_transfer_is_about_is_kept_for_whoever_takes_it(hands: Hands, live: Live) -> None:
    """The agent's words for this transfer, and not those for an earlier one that nobody took."""
    await run(built_ins(hands), live, "transfer_call", to="reception", summary=" Wants a refund. ")
    assert live.record.detail["transfer_summary"] == "Wants a refund."
    await run(built_ins(hands), live, "transfer_call", to="reception")
    assert live.record.detail["transfer_summary"] == ""


@pytest.mark.parametrize("to", ["+19005551234", "sales", "", "reception ;", "RECEPTION", "0019005551234"])
async def test_every_other_place_is_denied_and_audited(hands: Hands, live: Live, to: str) -> None:
    """A number, an unknown or a malformed name: the call goes on, the agent is told, the record says so."""
    words = await run(built_ins(hands), live, "transfer_call", to=to)
    assert "not allowed" in words
    assert live.events == []
    assert live.noted("transfer_denied") == [{"type": "transfer_denied", "at_ms": 3000, "reason": "not_allowed"}]


async def test_a_call_that_no_carrier_has_cannot_be_transferred(hands: Hands, live: Live) -> None:
    """The agent is told so, and goes on; the attempt is audited."""
    live.record.carrier_call_id = None
    assert (await run(built_ins(hands), live, "transfer_call", to="reception")).startswith("not_possible")
    assert live.events == []
    assert live.noted("transfer_denied")[0]["reason"] == "not_possible"


async def test_transfers_of_one_call_are_limited(hands: Hands, live: Live) -> None:
    """The one after the last allowed is denied and audited."""
    tools = built_ins(hands, transfers=1)
    await run(tools, live, "transfer_call", to="reception")
    assert (await run(tools, live, "transfer_call", to="reception")).startswith("limit")
    assert live.noted("transfer_denied")[0]["reason"] == "limit"
    assert len(live.events) == 1


async def test_whoever_is_leaving_is_not_transferred(hands: Hands, live: Live) -> None:
    """The first decision stands, and the agent is not told otherwise."""
    live.leaving = True
    assert (await run(built_ins(hands), live, "transfer_call", to="reception")).startswith("too_late")
    assert live.events == []


async def test_nobody_is_transferred_before_the_stream_is_there(hands: Hands, live: Live) -> None:
    """An agent that talks to itself while it rings is told so, and the transfer is not used up."""
    live.record.started_at = None
    tools = built_ins(hands, transfers=1)
    assert (await run(tools, live, "transfer_call", to="reception")).startswith("too_early")
    live.record.started_at = NOW
    await run(tools, live, "transfer_call", to="reception")
    assert len(live.events) == 1


async def test_a_text_goes_to_the_caller_and_nobody_else(hands: Hands, live: Live) -> None:
    """Whatever number the agent names, the person of the call gets it, from the line."""
    await run(built_ins(hands), live, "send_sms", text="Hello", to="+19005551234", phone_number="+19005551234")
    assert hands.done == [("text", "+15550123456", "+15550100", "Hello")]


async def test_a_withheld_caller_gets_no_text(hands: Hands) -> None:
    """Without a number there is nothing to send to, call back or put on a list."""
    for name, arguments in [("send_sms", {"text": "x"}), ("opt_out", {}), ("schedule_callback", {"at": later(5)})]:
        assert (await run(built_ins(hands), Live(person=""), name, **arguments)).startswith("no_number")
    assert hands.done == []


async def test_texts_of_one_call_are_limited(hands: Hands, live: Live) -> None:
    """An agent cannot be talked into sending texts for ever."""
    tools = built_ins(hands, texts=2)
    for _ in range(4):
        await run(tools, live, "send_sms", text="x")
    assert len(hands.done) == 2


async def test_digits_are_checked_and_never_recorded(hands: Hands, live: Live) -> None:
    """Only keys pass, and the record holds their number."""
    assert (await run(built_ins(hands), live, "send_digits", digits="12<Play/>")).startswith("bad_arguments")
    await run(built_ins(hands), live, "send_digits", digits="4711#")
    assert hands.done == [("digits", "4711#")]
    assert "4711" not in str(live.record.events)


def later(minutes: float) -> str:
    """That long after NOW."""
    return (NOW + timedelta(minutes=minutes)).isoformat()


@pytest.mark.parametrize("at", ["soon", "2026-02-15T14:00:00", later(-5), later(0.2), later(60 * 24 * 40)])
async def test_a_time_that_cannot_be_is_explained(hands: Hands, live: Live, at: str) -> None:
    """No time, none without a zone, not the past, not next year."""
    assert (await run(built_ins(hands), live, "schedule_callback", at=at)).startswith("bad_arguments")
    assert hands.done == []


async def test_a_callback_is_placed_at_the_time(hands: Hands, live: Live) -> None:
    """The time counts in its own zone."""
    await run(built_ins(hands), live, "schedule_callback", at="2026-02-15T14:30:00+01:00", note="results")
    assert hands.done == [("callback", datetime(2026, 2, 15, 13, 30, tzinfo=UTC), "results")]


async def test_what_the_deployment_lacks_is_said(hands: Hands, live: Live) -> None:
    """Without outbound calls or a list the agent is told, rather than led to promise something."""
    hands.able = False
    for name, arguments in [("opt_out", {}), ("schedule_callback", {"at": later(5)})]:
        assert (await run(built_ins(hands), live, name, **arguments)).startswith("not_available")


async def test_a_failure_of_the_carrier_is_words(hands: Hands, live: Live) -> None:
    """What the carrier says stays here."""
    hands.fails = CarrierFailure("21610: +15550123456 has opted out")
    assert await run(built_ins(hands), live, "send_sms", text="x") == "failed: That could not be done just now."


async def test_a_number_that_takes_no_texts_is_said_so(hands: Hands, live: Live) -> None:
    """On the list of those who want none, or of another country: the agent can say so, and the record tells of no text."""
    hands.able = False
    assert (await run(built_ins(hands), live, "send_sms", text="Hello")).startswith("not_allowed")
    assert live.noted("tool_send_sms") == []


async def test_digits_are_sent_so_often_and_no_more(hands: Hands, live: Live) -> None:
    """Each time the stream is replaced: an agent that loops must not keep the line busy with it."""
    tools = built_ins(hands, digits=2)
    words = [await run(tools, live, "send_digits", digits="1") for _ in range(3)]
    assert words[:2] == ["The digits are sent."] * 2
    assert words[2].startswith("limit")
    assert len(hands.done) == 2
