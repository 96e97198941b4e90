"""The standing rules themselves: each of them is broken here, and says so."""

import sqlite3
import time
from pathlib import Path

import pytest

from bridge.errors import Reason
from tests.standins.twilio import Carrier
from tests.standins.twilio.call import PhoneCall
from tests.support import promises
from tests.support.canary import Canary
from tests.support.house import API_KEY, PUBLIC
from tests.support.scene import scene


@pytest.fixture
def call() -> PhoneCall:
    """A call of six seconds that has ended."""
    call = PhoneCall(Carrier(public_url=PUBLIC), from_="+15550123456", to="+15550100")
    call.ended_at = time.monotonic()
    call.answered_at = call.ended_at - 6.0
    call.reason = "hung up by TwiML"
    return call


def test_s1_a_caller_in_silence_is_noticed(call: PhoneCall) -> None:
    """Six seconds of nothing; a word in the middle makes two short silences of it."""
    assert call.answered_at is not None
    with pytest.raises(promises.Broken, match=r"S1.*6\.0 s"):
        promises.s1_no_silence(call)
    call.audible.append((call.answered_at + 3.0, call.answered_at + 3.1))
    promises.s1_no_silence(call)
    assert call.longest_silence() == pytest.approx(3.0)


def test_s2_an_end_without_a_word_is_noticed(call: PhoneCall) -> None:
    """And an application error is no end."""
    with pytest.raises(promises.Broken, match="not heard a word"):
        promises.s2_one_end(call)
    assert call.answered_at is not None
    call.audible.append((call.answered_at, call.answered_at))
    promises.s2_one_end(call)
    call.reason = "application error"
    with pytest.raises(promises.Broken, match="application error"):
        promises.s2_one_end(call)


async def test_s3_a_session_that_stays_open_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the call goes on it is open, and looks like one that was forgotten."""
    monkeypatch.setattr(promises, "CLOSED_S", -1.0)  # without waiting
    async with scene(tmp_path) as cast:
        call, session = await cast.talking()
        with pytest.raises(promises.Broken, match=r"S3.*still open"):
            await promises.s3_closed(cast)
        monkeypatch.undo()
        await call.hang_up()
        await session.gone()


async def test_s4_a_record_that_stays_open_is_noticed(tmp_path: Path) -> None:
    """Of a live call there is no end."""
    async with scene(tmp_path) as cast:
        call, _ = await cast.talking()
        record = await cast.house.calls.get(call.sid)
        with pytest.raises(promises.Broken, match="S4"):
            promises.s4_told(record, call)
        with pytest.raises(promises.Broken, match=r"S4.*no record"):
            promises.s4_told(None, call)


@pytest.mark.parametrize(
    ("status", "outcome", "words"),
    [
        ("in_progress", None, "S4.*in_progress"),
        ("completed", None, "S4.*reason"),
        ("completed", "unknown", "S4.*unknown"),
        ("completed", str(Reason.CALLER_HANGUP), "S6"),
    ],
)
def test_s4_s6_what_is_left_in_the_store_is_noticed(
    status: str, outcome: str | None, words: str, tmp_path: Path
) -> None:
    """Open records, ends without a reason that there is, secrets."""
    database = sqlite3.connect(tmp_path / "calls.db")
    database.execute("CREATE TABLE calls (carrier_call_id, status, outcome, document)")
    database.execute("INSERT INTO calls VALUES ('CA1', ?, ?, ?)", (status, outcome, f"key {API_KEY}"))
    database.commit()
    database.close()
    with pytest.raises(promises.Broken, match=words):
        promises.behind(tmp_path, [])


async def test_s5_a_canary_that_was_disturbed_is_noticed(tmp_path: Path) -> None:
    """A caller whose sound has a hole, and an agent that is gone."""
    async with scene(tmp_path, canary=True) as cast:
        canary = cast.canary
        assert isinstance(canary, Canary)
        await canary.call.hears(1.0)
        assert canary.call.stream is not None
        canary.call.stream.muted = True
        await canary.call.hears(0.2)
        canary.call.stream.muted = False
        await canary.call.hears(0.5)
        with pytest.raises(AssertionError, match=r"S5: the canary's agent"):
            await canary.sang()
        canary.session.abort()
        await canary.session.gone()
        with pytest.raises(AssertionError, match="lost its agent"):
            await canary.sang()
        cast.canary = None
        await canary.gone()
