"""The demo agent as a true test of the whole bridge: a synthetic caller speaks, and it comes about."""

import asyncio
import socket
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from bridge.agents.demo.voice import Voice
from bridge.audio.formats import TELEPHONE, AudioFormat, Encoding
from bridge.audio.transcode import Transcoder
from tests.standins.twilio import Carrier
from tests.support.house import PUBLIC, configuration, running

pocketsphinx = pytest.importorskip("pocketsphinx", reason="the demo agent's hearing is not installed: callbridge[demo]")

RATE = 16_000


@pytest.fixture
async def calendar(tmp_path: Path) -> AsyncIterator[str]:
    """A business system with a database."""
    database = sqlite3.connect(tmp_path / "calendar.db")
    database.execute("CREATE TABLE appointments (day TEXT, time TEXT, phone TEXT)")

    async def book(request: web.Request) -> web.Response:
        body = await request.json()
        asked = body["tool_args"]
        row = (asked["day"], asked["time"], body["call"]["phone_number"])
        database.execute("INSERT INTO appointments VALUES (?, ?, ?)", row)
        database.commit()
        return web.json_response({"booked": True})

    app = web.Application()
    app.router.add_post("/appointments", book)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/appointments"
    await runner.cleanup()
    database.close()


@pytest.mark.slow
async def test_a_spoken_sentence_becomes_an_appointment(tmp_path: Path, calendar: str) -> None:
    """A caller who says it on the telephone, through G.711, has the appointment in the business system's database."""
    voice = Voice("en-us+f3")

    async def spoken(text: str) -> bytes:
        down = Transcoder(AudioFormat(Encoding.PCM16, RATE), TELEPHONE)
        return down.process((await voice.speak(text, RATE)).pcm) + down.flush()

    wish, day, yes = [
        await spoken(text)
        for text in ("I would like to book an appointment please.", "On Friday at noon.", "Yes please.")
    ]
    voice.close()
    text = configuration(
        tmp_path,
        '[agents.demo]\nprovider = "demo"\ntools_key = "demo-tools-key-0123456789"\n',
        lines='[[lines]]\nnumber = "*"\nagent = "demo"\nvariables = { tools_url = "URL" }\n',
    )
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    port = listener.getsockname()[1]
    text = text.replace("URL", f"http://127.0.0.1:{port}/tools/demo?key=demo-tools-key-0123456789")
    text += f'\n[tools.book_appointment]\nurl = "{calendar}"\n'
    async with (
        running(tmp_path, text, listener=listener) as house,
        Carrier(public_url=PUBLIC, address=f"127.0.0.1:{house.port}") as carrier,
    ):
        call = await carrier.call()
        await call.streaming()
        (session,) = house.switchboard.sessions

        async def said(words: str) -> None:
            def so() -> bool:
                return any(turn.role == "agent" and words in turn.text for turn in session.record.turns)

            for _ in range(400):
                if so():
                    break
                await asyncio.sleep(0.05)
            assert so(), (
                [turn.text for turn in session.record.turns][-2:],
                [e for e in session.record.events if "tool" in e["type"]],
            )
            await call.silent_for(1.0, timeout=30)

        await said("How can I help you")
        await call.speak(wish)
        await said("Which of them would suit you")
        await call.speak(day)
        await said("Friday at noon it is")
        await call.speak(yes)
        await said("is booked")
        assert await call.ended() == "completed"
        heard = [turn.text for turn in session.record.turns if turn.role == "caller"]
    assert heard[0] == "i would like to book an appointment please"
    with sqlite3.connect(tmp_path / "calendar.db") as database:
        rows = database.execute("SELECT * FROM appointments").fetchall()
    database.close()
    assert rows == [("friday", "noon", "+15550123456")]
