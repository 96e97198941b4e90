"""Calls from the browser's telephone."""

import asyncio
import os
from pathlib import Path

import pytest

from bridge.agents.demo.voice import Voice
from tests.support.browser import chromium, microphone_file, needs_chromium, until
from tests.support.house import PUBLIC, configuration, running

PICTURES = os.environ.get("SCREENSHOTS")
DEMO = '[agents.demo]\nprovider = "demo"\n'


def demo_configuration(folder: Path) -> str:
    """A bridge that has nothing but the demo's agent, at this machine's own address."""
    line = '[[lines]]\nnumber = "*"\nagent = "demo"\nrecording = "bridge"\n'
    text = configuration(folder, DEMO, lines=line).replace(PUBLIC, "http://127.0.0.1:8080")
    return f'{text}\n[recording]\nfolder = "{folder}/recordings"\n'


@needs_chromium
@pytest.mark.browser
async def test_a_call_from_the_browser_reaches_the_agent_and_is_heard(tmp_path: Path) -> None:
    """A caller at the softphone is greeted, speaks, is answered, presses a key and hangs up, and the record has it all."""
    voice = Voice()
    words = await voice.speak("I would like to make an appointment please.", 16000)
    voice.close()
    microphone = microphone_file(tmp_path / "mic.wav", words, before_s=7, after_s=60)
    async with running(tmp_path, demo_configuration(tmp_path)) as house, chromium(microphone=microphone) as browser:
        page = await browser.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        await page.goto(f"http://127.0.0.1:{house.port}/softphone")
        await page.click("#call")
        await page.wait_for_selector("#transcript li.agent", timeout=30000)
        await until(page, "document.querySelector('#theirs').value > 0.05", within_s=15)
        await page.wait_for_selector("#transcript li.caller", timeout=30000)
        await until(page, "/ ms$/.test(document.querySelector('#latency').textContent)", within_s=15)
        await page.click("[data-key='5']")
        await until(page, "document.querySelectorAll('#transcript li.agent').length > 2", within_s=20)
        (session,) = house.switchboard.sessions
        await page.click("#hangup")
        await until(page, "/ended: caller hangup/.test(document.querySelector('#state').textContent)")
        record = session.record
        assert record.carrier == "softphone"
        assert str(record.outcome) == "caller_hangup"
        assert [event["digit"] for event in record.events if event["type"] == "dtmf"] == ["5"]
        assert record.latency.response_ms
        await asyncio.sleep(1.5)
        await page.goto(f"http://127.0.0.1:{house.port}/calls/{record.call_id}")
        await until(
            page, "document.querySelector('#waveform > div')?.shadowRoot?.querySelectorAll('canvas').length >= 2"
        )
        await until(page, "document.querySelector('#player').duration > 5")
        await until(page, "document.querySelector('#waveform > div').shadowRoot.textContent.includes('cut')")
        if PICTURES:
            await page.screenshot(path=f"{PICTURES}/recording.png", full_page=True)
        assert not problems
