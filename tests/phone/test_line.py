"""What a script may do while a call goes on."""

import asyncio

import pytest

from bridge.phone.report import Kind

from .clock import LOUD, Call


@pytest.fixture
def call() -> Call:
    """One."""
    return Call()


async def test_time_passes_on_the_sample_clock(call: Call) -> None:
    """Not on the wall's: a slow machine changes nothing."""
    await call.run(call.line.wait(3.0))
    assert call.handset.ticks == 150


async def test_a_wait_has_an_end(call: Call) -> None:
    """False where what was waited for did not come."""
    assert await call.run(call.line.until(lambda: False, 2.0)) is False
    assert call.handset.ticks == 100
    assert await call.run(call.line.until(lambda: True, 0.0)) is True


async def test_keys_are_pressed_one_after_another(call: Call) -> None:
    """A quarter of a second apart; pauses are no keys."""
    await call.run(call.line.press("1w2W#"))
    assert [key for key, _ in call.keys] == ["1", "2", "#"]
    one, two, three = (tick for _, tick in call.keys)
    assert two - one == pytest.approx(37, abs=2)
    assert three - two == pytest.approx(62, abs=2)
    assert [moment.kind for moment in call.report.moments].count(Kind.DIGIT) == 3


async def test_a_call_that_is_over_ends_every_wait(call: Call) -> None:
    """And no key is pressed any more."""
    waiting = asyncio.ensure_future(call.line.wait(3600.0))
    await asyncio.sleep(0)
    call.line.hang_up()
    await asyncio.wait_for(waiting, 1)
    await asyncio.wait_for(call.line.ended(), 1)
    await call.line.press("12")
    assert call.line.over
    assert call.keys == []


async def test_an_answer_is_one_that_began_since_we_last_did_something(call: Call) -> None:
    """What was heard before the key is no answer to it."""
    call.handset.playout.play(LOUD.mulaw())
    assert await call.run(call.line.until_heard(5.0))
    assert await call.run(call.line.until_quiet(5.0))
    await call.run(call.line.press("1"))
    assert not await call.run(call.line.until_heard(1.0))
    call.handset.playout.play(LOUD.mulaw())
    assert await call.run(call.line.until_heard(5.0))
