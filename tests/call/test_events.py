"""The words of a call: values that nobody changes, each understood by those it is for."""

import typing

import msgspec
import pytest

from bridge.call import events as e
from bridge.call.machine import RULES
from bridge.runtime.session import CallSession
from tests.runtime.wires import Bench

KINDS = [each for each in vars(e).values() if isinstance(each, type) and issubclass(each, e.Event | e.Order)]


def test_events_and_orders_are_values() -> None:
    """Equal by what they say, and frozen: one is told to many."""
    assert e.PhoneDigit("5") == e.PhoneDigit("5") != e.PhoneDigit("6")
    assert e.PhoneClosed(orderly=True) == e.PhoneClosed(orderly=True, detail="")
    for kind in KINDS:
        assert kind.__struct_config__.frozen, kind
    with pytest.raises(AttributeError):
        e.PhoneDigit("5").digit = "6"  # type: ignore[misc]


def test_nothing_is_both_an_event_and_an_order() -> None:
    """What happened is not what is to be done."""
    assert not [kind for kind in KINDS if issubclass(kind, e.Event) and issubclass(kind, e.Order)]
    assert all(issubclass(kind, msgspec.Struct) for kind in KINDS)


def test_every_event_is_known_to_the_machine() -> None:
    """A new one that no rule takes would be lost in silence; timers and ignored ones have their own way."""
    kinds = {kind for kind in KINDS if issubclass(kind, e.Event)} - {e.Event, e.TimedOut, e.Ignored}
    assert kinds == set(RULES)


def test_what_translators_tell_is_what_events_there_are_for_them() -> None:
    """The names of a side are those of its union."""
    for side, union in (("Phone", e.PhoneEvent), ("Agent", e.AgentEvent)):
        named = {kind for kind in KINDS if kind.__name__.startswith(side) and issubclass(kind, e.Event)}
        told = set(typing.get_args(union))
        assert {kind for kind in told if kind.__name__.startswith(side)} <= named
        inner = {e.PhoneAlive, e.PhoneStalled, e.AgentProgress}  # told by the session, not by a translator
        assert named - told == {kind for kind in inner if kind.__name__.startswith(side)}


async def test_every_order_is_done_by_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that a session does not know would end the call as a bug of ours."""
    session: CallSession = Bench(monkeypatch).session
    examples: list[e.Order] = [
        *(e.PlayAudio(b"x"), e.PlayMark("m"), e.ClearAudio(), e.SendAudio(b"x"), e.SendPong(1), e.SendActivity()),
        *(e.SendInterrupt(), e.SendStop(), e.SendToolResult("t", "x"), e.SendText("x"), e.SendContext("x")),
        *(e.DropAgent(stopped=False), e.ClosePhone("hangup"), e.ProbePhone(), e.StopTimer("x"), e.Save(), e.Ended()),
        *(e.RunTool("t", "x", {}), e.StartTimer("x", 1e6), e.StopTimer("x"), e.ConnectAgent("support", 1, False)),
    ]
    assert {type(each) for each in examples} == {kind for kind in KINDS if issubclass(kind, e.Order)} - {e.Order}
    for each in examples:
        session.perform(each)
