"""Four taps on every call."""

import asyncio
from pathlib import Path

import pytest

from bridge.audio.hops import AGENT_IN, AGENT_OUT, CLEARED, HEAD, PHONE_IN, PHONE_OUT
from bridge.call import events as e
from bridge.call.ports import Brief
from bridge.call.record import Status
from bridge.runtime import hops as subject
from bridge.runtime.hops import Hops, Taps
from tests.call.stage import record
from tests.runtime.wires import Helper, Translator, until


def pieces(path: Path) -> list[tuple[int, bytes]]:
    """What a file holds: (tap, sound)."""
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        tap, _, size = HEAD.unpack_from(data, at)
        at += HEAD.size
        found.append((tap, data[at : at + size]))
        at += size
    return found


async def ran(hops: Hops) -> None:
    """Begin and end at once: what is left is written."""
    task = asyncio.create_task(hops.run())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})


async def test_all_sound_of_a_call_is_noted_in_its_order(tmp_path: Path) -> None:
    """In and out, of phone and agent, and what was cleared; the translators' own work is unchanged."""
    hops = Hops(tmp_path / "new")
    inner = Translator(hi=[e.PhoneAudio(b"in"), e.PhoneDigit("5")], talk=[e.AgentText("x"), e.AgentAudio(b"out")])
    phone = hops.phone(record(), inner)  # type: ignore[arg-type]
    helper = Helper()
    helper.stream = inner
    session = await hops.agent(helper).open(Brief("call_1", "", "inbound", "", ""))
    assert phone.receive(b"hi") == inner.knows["hi"]
    assert session.stream.send(e.SendAudio(b"to")) == b"SendAudio"
    assert session.stream.send(e.SendContext("x")) is None
    assert session.stream.receive(b"talk") == inner.knows["talk"]
    assert phone.send(e.PlayAudio(b"play")) == b"PlayAudio"
    phone.send(e.PlayMark("m"))
    phone.send(e.ClearAudio())
    assert session.stream.open() == inner.open()
    assert session.stream.closed(1000, "") == inner.closed(1000, "")
    await ran(hops)
    assert pieces(tmp_path / "new" / "call_1.hops") == [
        (PHONE_IN, b"in"),
        (AGENT_IN, b"to"),
        (AGENT_OUT, b"out"),
        (PHONE_OUT, b"play"),
        (CLEARED, b""),
    ]


async def test_a_tapped_agent_is_the_agent(tmp_path: Path) -> None:
    """But for its sessions' streams."""
    helper = Helper("backup")
    tapped = Hops(tmp_path).agent(helper)
    assert (tapped.name, tapped.provider) == ("backup", "none")
    assert await tapped.check() == "well"


async def test_an_ended_call_is_written_whole_and_then_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came before the end is in the file; a call of that name begins anew."""
    monkeypatch.setattr(subject, "ROUND_S", 0.0)
    hops, call = Hops(tmp_path), record()
    first = hops.taps("call_1")
    first.note(PHONE_IN, b"a")
    hops.saved(call)
    assert hops.taps("call_1") is first
    call.status = Status.COMPLETED
    hops.saved(call)
    assert hops.taps("call_1") is not first
    task = asyncio.create_task(hops.run())
    path = tmp_path / "call_1.hops"
    await until(lambda: path.exists() and path.stat().st_size > HEAD.size)
    assert pieces(path) == [(PHONE_IN, b"a")]
    task.cancel()
    await asyncio.wait({task})
    await hops.forget(call)
    await hops.forget(call)
    assert not path.exists()


@pytest.mark.parametrize("limit", ["MAX_WAITING", "MAX_FILE"])
async def test_what_the_disk_does_not_take_is_lost_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """Memory and disk are bounded."""
    monkeypatch.setattr(subject, limit, 50)
    taps = Taps(tmp_path / "x")
    for _ in range(10):
        taps.note(PHONE_IN, b"x" * 30)
        if limit == "MAX_FILE":
            taps.take()
    assert taps.lost > 5


async def test_a_disk_that_fails_fails_no_call(tmp_path: Path) -> None:
    """It is logged; the writer ends as it should."""
    (tmp_path / "file").write_text("")
    hops = Hops(tmp_path / "file")
    hops.taps("call_1").note(PHONE_IN, b"a")
    task: asyncio.Task[None] = asyncio.create_task(hops.run())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
