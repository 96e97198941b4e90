"""A real Chromium for tests marked ``browser``: Debian's own, driven by Playwright's library."""

import asyncio
import contextlib
import os
import shutil
import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from bridge.audio import wav
from bridge.audio.sound import Sound

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from playwright.async_api import Browser, Page, async_playwright

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here: install Debian's chromium, or set CHROMIUM to the path of one"
)


@contextlib.asynccontextmanager
async def chromium(*, microphone: Path | None = None) -> AsyncIterator[Browser]:
    """A browser without a window; ``microphone``: a WAV file that it hears, once."""
    options = [
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        "--autoplay-policy=no-user-gesture-required",
    ]
    if microphone is not None:
        options.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
    async with async_playwright() as playwright, asyncio.timeout(100):
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        try:
            yield browser
        finally:
            await browser.close()


def microphone_file(path: Path, sound: Sound, *, before_s: float, after_s: float) -> Path:
    """A WAV file with silence around ``sound``."""
    silence = [np.zeros(int(seconds * sound.rate), "<i2").tobytes() for seconds in (before_s, after_s)]
    path.write_bytes(wav.write(Sound(silence[0] + sound.pcm + silence[1], sound.rate)))
    return path


async def until(page: Page, condition: str, *, within_s: float = 15.0) -> None:
    """Wait for a JavaScript expression to be true. (The library's own way needs eval, which the pages' policy forbids.)"""
    try:
        async with asyncio.timeout(within_s):
            while not await page.evaluate(condition):
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"not so within {within_s} s: {condition}; page: {await page.inner_text('body')}")
