"""Calls from the browser's telephone."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.agents.demo.voice import Voice
from bridge.runtime.session import CallSession
from tests.support.browser import chromium, microphone_file, needs_chromium, until
from tests.support.house import PUBLIC, configuration, running

PICTURES = os.environ.get("SCREENSHOTS")
DEMO = '[agents.demo]\nprovider = "demo"\n'


def demo_configuration(folder: Path) -> str:
    """A bridge that has nothing but the demo's agent, at this machine's own address."""
    line = '[[lines]]\nnumber = "*"\nagent = "demo"\nrecording = "bridge"\n'
    text = configuration(folder, DEMO, lines=line).replace(PUBLIC, "http://127.0.0.1:8080")
    return f'{text}\n[recording]\nfolder = "{folder}/recordings"\n[limits]\nloop_lag_ms = 0\n'


@needs_chromium
@pytest.mark.browser
async def test_a_call_from_the_browser_reaches_the_agent_and_is_heard(tmp_path: Path) -> None:
    """A caller at the softphone is greeted, speaks, is answered, presses a key and hangs up, and the record has it all."""
    voice = Voice()
    words = await voice.speak("I would like to make an appointment please.", 16000)
    voice.close()
    microphone = microphone_file(tmp_path / "mic.wav", words, before_s=7, after_s=60)
    async with running(tmp_path, demo_configuration(tmp_path)) as house, chromium(microphone=microphone) as browser:
        context = await browser.new_context()
        page = await context.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        await page.goto(f"http://127.0.0.1:{house.port}/softphone")
        await page.click("#call")
        await page.wait_for_selector("#transcript li.agent", timeout=30000)
        await until(page, "document.querySelector('#theirs').value > 0.05", within_s=15)
        await page.wait_for_selector("#transcript li.caller", timeout=30000)
        await until(page, "/ ms$/.test(document.querySelector('#latency').textContent)", within_s=15)
        if PICTURES:
            await page.screenshot(path=f"{PICTURES}/softphone-call.png", full_page=True)
        await page.click("[data-key='5']")
        await until(page, "document.querySelectorAll('#transcript li.agent').length > 2", within_s=20)
        (session,) = house.switchboard.sessions
        watching = await context.new_page()
        await watching.goto(f"http://127.0.0.1:{house.port}/calls/{session.record.call_id}")
        shown = "[...document.querySelectorAll('#actions button')].filter((each) => each.offsetParent)"
        assert await watching.evaluate(shown + ".map((each) => each.innerText).join()") == "Hang up,Pause recording"
        await watching.click("text=Pause recording")
        await watching.click("text=Resume recording")
        await watching.wait_for_selector("text=Pause recording")
        await watching.close()
        await page.click("#hangup")
        await until(page, "/ended: caller hangup/.test(document.querySelector('#state').textContent)")
        record = session.record
        assert record.carrier == "softphone"
        assert str(record.outcome) == "caller_hangup"
        assert [event["digit"] for event in record.events if event["type"] == "dtmf"] == ["5"]
        assert record.latency.response_ms
        assert {"recording_paused", "recording_resumed"} <= {event["type"] for event in record.events}
        await asyncio.sleep(1.5)
        await page.goto(f"http://127.0.0.1:{house.port}/calls/{record.call_id}")
        await until(
            page, "document.querySelector('#waveform > div')?.shadowRoot?.querySelectorAll('canvas').length >= 2"
        )
        await until(page, "document.querySelector('#player').duration > 5")
        await until(page, "document.querySelector('#waveform > div').shadowRoot.textContent.includes('cut')")
        assert not problems


@needs_chromium
@pytest.mark.browser
async def test_the_agent_is_chosen_and_a_muted_caller_is_not_heard(tmp_path: Path) -> None:
    """The call goes to the agent that was picked; mute makes silence of the microphone, and of its meter, until it is lifted."""
    voice = Voice()
    words = await voice.speak("One two three four five six seven eight nine ten. " * 12, 16000)
    voice.close()
    microphone = microphone_file(tmp_path / "mic.wav", words, before_s=0, after_s=30)
    text = demo_configuration(tmp_path).replace(DEMO, DEMO + '[agents.other]\nprovider = "demo"\n')
    async with running(tmp_path, text) as house, chromium(microphone=microphone) as browser:
        page = await browser.new_page()
        await page.goto(f"http://127.0.0.1:{house.port}/softphone")
        await page.select_option("#agent", "other")
        await page.click("#call")
        await until(page, "document.querySelector('#mine').value > 0.02")
        (session,) = house.switchboard.sessions
        assert session.record.agent == "other"
        await heard(session, lambda level: level > 300)
        await page.click("#mute")
        await until(page, "document.querySelector('#mine').value === 0")
        assert await page.get_attribute("#mute", "aria-pressed") == "true"
        await heard(session, lambda level: level < 10)
        await page.click("#mute")
        await heard(session, lambda level: level > 300)
        await page.click("#hangup")
        await until(page, "/ended/.test(document.querySelector('#state').textContent)")


async def heard(session: CallSession, so: Callable[[float], bool]) -> None:
    """Wait until what the bridge hears of the caller is so, for half a second."""
    async with asyncio.timeout(15):
        session.levels  # noqa: B018 - what was before does not count
        while True:
            await asyncio.sleep(0.5)
            if so(session.levels[0]):
                return
