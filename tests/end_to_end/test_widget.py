"""The chat widget on a foreign page, in a real browser."""

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.standins.twilio.dialling import Person
from tests.support.browser import chromium, needs_chromium

from .test_texts import KEY, PERSON, scene

ROOT = "document.querySelector('#callbridge-chat').shadowRoot"


@contextlib.asynccontextmanager
async def site(html: list[str]) -> AsyncIterator[str]:
    """A web site with one page, whose text may be set later."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=html[0], content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@needs_chromium
@pytest.mark.browser
async def test_a_visitor_chats_and_asks_to_be_called(tmp_path: Path) -> None:
    """One script tag: it opens, talks to the assistant, shows markup as text, keeps the conversation over a reload, and
    has the visitor called.
    """
    html = [""]
    outbound = 'call_from = "+15550100"\n[outbound]\nallowed_prefixes = ["+1"]'
    async with site(html) as page_url, scene(tmp_path, chat=outbound, page=page_url) as bridge, chromium() as browser:
        bridge.rest.people[PERSON] = Person("busy")
        backend = f"http://127.0.0.1:{bridge.house.port}"
        html[0] = (
            "<!doctype html><link rel=icon href=data:,><title>Clinic</title><h1>Clinic</h1>"
            f'<script src="{backend}/chat/widget.js" data-assistant-id="booking" data-backend-url="{backend}"'
            ' data-theme="dark" data-position="bottom-left" data-primary-color="#0F766E" data-title="Ask the clinic">'
            "</script>"
        )
        page = await browser.new_page(viewport={"width": 900, "height": 700})
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        await page.goto(page_url)
        await page.click("#callbridge-chat .button")
        await page.fill("#callbridge-chat form:not([hidden]) input", "<b>When</b> are you open?")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#callbridge-chat .them", timeout=10000)
        assert await page.inner_text("#callbridge-chat .them") == "1: <b>When</b> are you open?"
        if folder := os.environ.get("SCREENSHOTS"):
            await page.screenshot(path=f"{folder}/widget.png")
        await page.reload()
        await page.click("#callbridge-chat .button")
        await page.fill("#callbridge-chat form:not([hidden]) input", "And tomorrow?")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#callbridge-chat .them", timeout=10000)
        assert (await page.inner_text("#callbridge-chat .them")).startswith("2:")
        await page.click("#callbridge-chat .head button")
        await page.fill("#callbridge-chat input[type=tel]", "+1 555 012-3456")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#callbridge-chat .note >> text=We are calling you.", timeout=10000)
        if folder:
            await page.screenshot(path=f"{folder}/widget-call.png")
        await bridge.carrier.pulse.until(lambda: bool(bridge.carrier.calls), "the call")
        await bridge.carrier.settled()
        assert KEY not in await page.content()
        assert not problems
