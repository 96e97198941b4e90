"""The measured process tells how it is."""

import asyncio
import contextlib
import sys
from pathlib import Path

import pytest

from bridge.bench import process
from bridge.bench.process import listen, subject
from bridge.bench.run import SHAPES, rig


async def test_how_late_the_loop_is_is_told_from_when_it_is_watched() -> None:
    """Nothing before, so that it costs nothing where nobody asks; and a reset begins anew."""
    async with rig(SHAPES["16k"], pinned=False) as running:
        bridge = running.bridge
        assert (await bridge.report()).lags == ()
        await bridge.watch()
        async with asyncio.timeout(10):
            while not (report := await bridge.report()).lags:
                await asyncio.sleep(0.02)
        assert all(lag >= 0 for lag in report.lags)
        assert (await bridge.report(reset=True)).lags == ()


async def started(code: str, folder: Path) -> None:
    """A program in place of a bridge."""
    with contextlib.closing(listen()) as listener:
        async with subject([sys.executable, "-c", code], listener, core=None, log=folder / "bridge.log"):
            raise AssertionError("it cannot have started")


async def test_a_process_that_dies_at_once_is_seen_to_and_its_last_words_are_told(tmp_path: Path) -> None:
    """It lacks a package, say: nobody serves its listener, and no request to that is waited for."""
    async with asyncio.timeout(process.START_S / 2):
        with pytest.raises(RuntimeError, match="ended with 1") as told:
            await started("import a_package_that_is_not_there", tmp_path)
    assert "No module named 'a_package_that_is_not_there'" in str(told.value)


async def test_a_process_that_dies_without_a_word_is_told_so(tmp_path: Path) -> None:
    """The reason is never blank."""
    with pytest.raises(RuntimeError, match=r"ended with 3.*nothing in its log"):
        await started("import os; os._exit(3)", tmp_path)


async def test_a_process_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a bounded time, in words, and it does not live on."""
    monkeypatch.setattr(process, "START_S", 1.5)
    monkeypatch.setattr(process, "LOOK_S", 0.2)
    monkeypatch.setattr(process, "ANSWER_S", 0.2)
    with pytest.raises(RuntimeError, match=r"not ready within 1\.5 s.*I am busy"):
        await started("print('I am busy', flush=True); import time; time.sleep(60)", tmp_path)
