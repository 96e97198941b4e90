"""The dashboard in a real browser: what people see, may do, and are kept from."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.agents.demo.voice import Voice
from bridge.app import House
from bridge.call.record import CallRecord, Direction, Latency, Status, Turn
from bridge.errors import Reason
from bridge.store.campaigns import Campaign, CampaignStore, Target
from tests.standins.twilio import Carrier
from tests.support.browser import Page, chromium, needs_chromium, until
from tests.support.house import API_KEY, PUBLIC, configuration, running
from tests.web.test_softphone import DEMO

VIEWER_KEY = "viewer-key-0123456789"
ATTACKS = (
    "<script>window.hacked=1</script>",
    '"><img src=x onerror="window.hacked=1">',
    "<svg/onload=window.hacked=1>",
    "</title><script>window.hacked=1</script>",
    "javascript:window.hacked=1",
    "{{ 7*7 }}${7*7}<%= 7*7 %>",
    "</textarea><iframe srcdoc='<script>top.hacked=1</script>'></iframe>",
    "\u2028\u202e<b onmouseover=window.hacked=1>x</b>",
)
NOW = datetime.now(UTC)
PAGES = ("/", "/calls", "/campaigns", "/overview", "/agents", "/softphone", "/calls/call_seed1")
PICTURES = os.environ.get("SCREENSHOTS")  # a folder: the pages are drawn there for people to look at


def record(number: int, *, words: str = "I would like an appointment, please.", **values: object) -> CallRecord:
    """A call that has ended, some hours ago."""
    began = NOW - timedelta(hours=number % 20, minutes=7 * number % 60)
    facts: dict[str, object] = {
        "call_id": f"call_seed{number}",
        "direction": Direction.INBOUND,
        "to_number": "+15550100",
        "line": "+15550100",
        "agent": "demo",
        "created_at": began,
        "from_number": f"+1555012{number:04}",
        "status": Status.COMPLETED,
        "started_at": began + timedelta(seconds=1),
        "ended_at": began + timedelta(seconds=61 + number),
        "outcome": Reason.CALLER_HANGUP if number % 5 else Reason.AGENT_LOST,
        "turns": [
            Turn("agent", "Hello, how can I help you?", 400),
            Turn("caller", words, 3200),
            Turn("agent", "Gladly. Tuesday at nine, or Thursday at half past ten?", 4300, "Gladly. Tuesday", True),
            Turn("caller", "Thursday.", 6100),
        ],
        "latency": Latency(80.0, 210.0, 420.0, [640.0 + 40 * (number % 17), 910.0, 700.0], [180.0]),
        "carrier_call_id": f"CA{number:032x}",
        "instance": "here",
    }
    call = CallRecord(
        **(facts | values),  # type: ignore[arg-type]
    )
    call.add_event("stream_started", 310)
    call.add_event(
        "agent_ready", 390, agent="demo", uplink="mulaw/8000 -> pcm16/16000: FIR 32 taps, 2.0 ms", downlink="-"
    )
    call.add_event("interruption", 5200, by="agent", took_ms=180.0)
    return call


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A bridge with a login and some calls behind it."""
    text = configuration(tmp_path, DEMO).replace(
        f'keys = ["{API_KEY}"]',
        f'keys = [{{ key = "{API_KEY}", name = "alice" }}, {{ key = "{VIEWER_KEY}", role = "viewer", name = "victor" }}]',
    )
    more = f'\n[transfers]\nreception = "+15550777"\n[recording]\nfolder = "{tmp_path}/recordings"\n'
    more += "[limits]\nloop_lag_ms = 0\n"  # a browser beside it takes the processor: that is no reason to refuse calls
    async with running(tmp_path, text + more) as house:
        for number in range(1, 25):
            await house.calls.save(record(number))
        yield house


async def add_campaign(
    house: House,
    *,
    campaign_id: str = "camp_" + "a" * 24,
    name: str = "Reminders for Tuesday",
    state: str = "running",
    why: str = "",
    times: int = 1,
) -> None:
    """Of ``times`` ten people: four are done, one talks, five wait (or, where it is over, ten are done)."""
    results = ("confirmed", "confirmed", "no_answer", "suppressed", "", "", "", "", "", "")
    states = ("done", "done", "done", "skipped", "calling", *("waiting",) * 5)
    if state in {"finished", "canceled"}:
        results, states = (*results[:4], *("confirmed",) * 6), (*states[:4], *("done",) * 6)
    people = [
        Target(position=at, number=f"+1212555{at:04}", state=each, result=result, due_us=2**60)
        for at, (each, result) in enumerate(zip(states * times, results * times, strict=True), 1)
    ]
    campaign = Campaign(campaign_id=campaign_id, name=name, state=state, why=why, created_at=NOW)
    await CampaignStore(house.database).create(campaign, people)


async def log_in(page: object, house: House, key: str = API_KEY) -> str:
    """As somebody types it; the address of the bridge."""
    base = f"http://127.0.0.1:{house.port}"
    await page.goto(base + "/")  # type: ignore[attr-defined]
    await page.fill("#key", key)  # type: ignore[attr-defined]
    await page.click("button.main")  # type: ignore[attr-defined]
    await page.wait_for_url(base + "/")  # type: ignore[attr-defined]
    return base


async def told(page: object, house: House, live: CallRecord, condition: str) -> None:
    """Tell of a change until the page, whose stream of updates may not be open yet, shows it."""
    for _ in range(100):
        house.dashboard.saved(live)  # type: ignore[union-attr]
        if await page.evaluate(condition):  # type: ignore[attr-defined]
            return
        await asyncio.sleep(0.2)
    pytest.fail(f"never shown: {condition}")


@needs_chromium
@pytest.mark.browser
async def test_a_live_call_is_seen_and_hung_up(house: House) -> None:
    """A call appears by itself, its words are shown as they come, and the operator's button ends it."""
    async with chromium() as browser:
        context = await browser.new_context()
        page, caller = await context.new_page(), await context.new_page()
        base = await log_in(page, house)
        await caller.goto(base + "/softphone")
        await caller.click("#call")
        await until(page, "document.querySelector('#calls tr')?.textContent.includes('Callbridge demo')")
        assert "in progress" in await page.inner_text("#calls tr")
        await until(page, "[...document.querySelectorAll('#calls meter')].some((each) => each.value > 30)")
        await page.click("#calls .danger")
        await until(page, "document.querySelectorAll('#calls tr').length === 0")
        await until(caller, "/operator hangup/.test(document.querySelector('#state').textContent)")
        assert house.switchboard.active == 0


@needs_chromium
@pytest.mark.browser
async def test_a_call_is_shown_on_hold_and_can_be_resumed(house: House) -> None:
    """Of the two buttons the one that can be used is there, on both pages, as the call changes; a refusal is shown."""
    live = record(199, status=Status.IN_PROGRESS, outcome=None, ended_at=None, carrier_call_id="CA199")
    await house.calls.save(live)
    shown = "[...document.querySelectorAll('form[data-held]')].filter((each) => each.offsetParent)"
    seen = shown + ".map((each) => each.innerText).join()"
    async with chromium() as browser:
        context = await browser.new_context()
        page, one = await context.new_page(), await context.new_page()
        base = await log_in(page, house)
        await one.goto(f"{base}/calls/{live.call_id}")
        for each in (page, one):
            await until(each, f"{seen} === 'Hold'")
        live.add_event("held", 6000)
        for each in (page, one):
            await told(each, house, live, f"{seen} === 'Resume'")
        assert "on hold" in await page.inner_text("#calls tr")
        await house.calls.save(live)
        await page.reload()
        assert await page.evaluate(seen) == "Resume"
        live.add_event("stream_replaced", 7000)
        await house.calls.save(live)  # what the store says is looked at too, every other second
        await told(page, house, live, f"{seen} === 'Hold'")
        assert "in progress" in await page.inner_text("#calls tr")
        await page.click("form[data-held=no] button")
        await until(page, "/not connected/.test(document.querySelector('#link').textContent)")
        assert await page.is_enabled("form[data-held=no] button")


@needs_chromium
@pytest.mark.browser
async def test_what_callers_say_is_text_everywhere(house: House) -> None:
    """Markup in a number, in what was said, in a tool's name or in the agent's analysis is shown and never run."""
    for number, attack in enumerate(ATTACKS, 100):
        call = record(number, words=attack, from_number=attack, agent=attack, analysis={attack: attack})
        call.add_event("tool_call", 5000, name=attack)
        await house.calls.save(call)
    async with chromium() as browser:
        page = await browser.new_page()
        base = await log_in(page, house)
        live = record(
            199, words=ATTACKS[1], from_number=ATTACKS[0], status=Status.IN_PROGRESS, outcome=None, ended_at=None
        )
        await told(page, house, live, "document.querySelector('#calls').textContent.includes('<script>')")
        for path in ("/calls", "/overview", "/agents", *(f"/calls/call_seed{100 + n}" for n in range(len(ATTACKS)))):
            await page.goto(base + path)
            await page.wait_for_load_state("networkidle")
            assert await page.evaluate("window.hacked") is None
            assert (
                await page.evaluate(
                    "document.querySelectorAll('main img, main iframe, main svg, main b[onmouseover]').length"
                )
                == 0
            )
            assert "49" not in await page.inner_text("h1")
        assert await page.locator("#transcript li", has_text="onmouseover").count() == 1


async def add_recording(house: House, folder: Path, call: CallRecord) -> None:
    """Both voices of a call, each turn from when it was said; of one that was cut, half a sentence."""
    began = (call.started_at - call.created_at).total_seconds()  # type: ignore[operator]
    tape = np.zeros((10 * 8000, 2), np.int16)
    voices = {"caller": Voice("en-us+f3"), "agent": Voice()}
    for turn in call.turns:
        said = np.frombuffer((await voices[turn.role].speak(turn.heard or turn.text, 16000)).pcm, "<i2")[::2]
        at = max(round((turn.at_ms / 1000 - began) * 8000), 0)
        cut = [
            round((event["at_ms"] / 1000 - began) * 8000) for event in call.events if event["type"] == "interruption"
        ]
        said = said[: (cut[0] if turn.interrupted else len(tape)) - at]
        tape[at : at + len(said), 0 if turn.role == "caller" else 1] = said
    for voice in voices.values():
        voice.close()
    (folder / "recordings").mkdir()
    soundfile.write(folder / "recordings" / f"{call.call_id}.flac", tape, 8000)
    call.recording = {"by": "bridge", "file": f"{call.call_id}.flac", "format": "flac", "channels": ["caller", "agent"]}
    await house.calls.save(call)


async def shows_itself(page: Page, path: str) -> None:
    """Wait until everything is on the page that its scripts draw."""
    await page.wait_for_load_state("load")
    if path == "/overview":
        await until(page, "document.querySelectorAll('canvas').length === 2")
    if path == "/calls/call_seed1":
        drawn = "document.querySelector('#waveform > div')?.shadowRoot"
        await until(page, f"{drawn}?.querySelectorAll('canvas').length >= 2 && {drawn}.textContent.includes('cut')")
        await until(page, "document.querySelector('#player').duration > 5")


@needs_chromium
@pytest.mark.browser
@pytest.mark.slow
async def test_every_page_is_usable_by_everybody(house: House, tmp_path: Path) -> None:
    """No page has a serious accessibility fault, in light or dark, wide or narrow, or is wider than a narrow screen."""
    await add_campaign(house, times=9)
    await add_campaign(house, campaign_id="camp_" + "b" * 24, name="Survey", state="draft")
    failed = "14 of the last 20 calls failed"
    await add_campaign(house, campaign_id="camp_" + "c" * 24, name="Recall", state="paused", why=failed, times=30)
    await add_campaign(house, campaign_id="camp_" + "d" * 24, name="Last week's reminders", state="finished", times=12)
    await add_recording(house, tmp_path, record(1))
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text()
    async with (
        Carrier(public_url=PUBLIC, address=f"127.0.0.1:{house.port}") as carrier,
        chromium() as browser,
    ):
        for variant, scheme, width in (("", "light", 1280), ("-dark", "dark", 1280), ("-narrow", "light", 360)):
            context = await browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
            page = await context.new_page()
            problems: list[str] = []
            page.on("pageerror", lambda error, told=problems: told.append(str(error)))
            page.on(
                "console", lambda message, told=problems: told.append(message.text) if message.type == "error" else None
            )
            base = await log_in(page, house)
            calls = [await carrier.call(from_=f"+1555019{number:04}") for number in (1, 2, 3)]
            await until(page, "document.querySelectorAll('#calls tr').length === 3")
            shown = "[...document.querySelectorAll('#calls [data-levels]')].every((each) => !each.hidden)"
            await until(
                page, f"{shown} && [...document.querySelectorAll('#calls meter')].some((each) => each.value > 30)"
            )
            for path in PAGES:
                if path != "/":
                    await page.goto(base + path)
                await shows_itself(page, path)
                if PICTURES:
                    name = {"/": "live", "/calls": "history", "/calls/call_seed1": "call"}.get(path, path[1:])
                    await page.screenshot(path=f"{PICTURES}/{name}{variant}.png", full_page=width > 400)
                assert not problems, path
                await page.evaluate(axe)
                found = await page.evaluate("axe.run()")
                serious = [each for each in found["violations"] if each["impact"] in ("serious", "critical")]
                faults = [(each["id"], [node["html"] for node in each["nodes"]]) for each in serious]
                assert not faults, (path, scheme, width)
                wide = await page.evaluate(
                    "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                )
                assert wide <= 0, (path, width)
                problems.clear()  # axe puts styles into the page, which the page's policy refuses
            for call in calls:
                await call.hang_up()
            await context.close()
