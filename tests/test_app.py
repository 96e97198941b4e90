"""The composition root: a house opens, answers, and is taken apart again."""

import asyncio
import gc
import subprocess
import sys
from pathlib import Path

import aiohttp

from tests.support.house import configuration, running

AGENT = '[agents.support]\nprovider = "xuna"\nagent_id = "agent_1"\napi_key = "xi-house-key-0001"\nbase_url = "http://127.0.0.1:9"\n'


async def test_a_house_is_ready_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """Alive and ready while it serves; nothing of it runs afterwards."""
    before = {task for task in asyncio.all_tasks() if not task.done()}
    async with running(tmp_path, configuration(tmp_path, AGENT)) as house, aiohttp.ClientSession() as http:
        for path, word in (("/healthz", "alive"), ("/readyz", "ready")):
            async with http.get(f"http://127.0.0.1:{house.port}{path}") as response:
                assert response.status == 200
                assert (await response.json())["status"] == word
    await asyncio.sleep(0)
    assert {task for task in asyncio.all_tasks() if not task.done()} <= before


async def test_two_houses_of_one_process_are_two_instances(tmp_path: Path) -> None:
    """Each run has a name of its own: records tell by it which one had the call."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    async with (
        running(tmp_path / "a", configuration(tmp_path / "a", AGENT)) as one,
        running(tmp_path / "b", configuration(tmp_path / "b", AGENT)) as two,
    ):
        assert one.instance != two.instance
        assert one.port != two.port


async def test_a_house_that_serves_collects_garbage(tmp_path: Path) -> None:
    """Though whoever started it had that off: a call may leave cycles after all."""
    gc.disable()
    try:
        async with running(tmp_path, configuration(tmp_path, AGENT)):
            assert gc.isenabled()
            assert gc.get_freeze_count() > 0
    finally:
        gc.enable()
        gc.unfreeze()


def test_what_few_deployments_have_is_not_loaded_by_all() -> None:
    """A caller may be waiting for a process that starts: it loads no demo agent, and no web server for one."""
    program = "import sys, bridge.app, bridge.cli.serve; print({'bridge.agents.demo.server', 'aiohttp.web'} & sys.modules.keys())"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert told.stdout.strip() == "set()"
