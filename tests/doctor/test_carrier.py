"""Our clock against the carrier's."""

from email.utils import formatdate
from typing import Any

import pytest
from aiohttp import web

from bridge.call.ports import Secret
from bridge.doctor import carrier
from bridge.settings import TwilioSettings
from tests.support.house import ACCOUNT, TOKEN


@pytest.mark.parametrize(("ahead", "level"), [(0, "ok"), (-20, "warn"), (20, "warn"), (-3600, "FAIL"), (3600, "FAIL")])
async def test_the_clock(ahead: float, level: str) -> None:
    """Seconds pass, tens of seconds warn, more than a grant's life fails, either way."""
    import time

    async def answer(request: web.Request) -> web.Response:
        return web.Response(headers={"Date": formatdate(time.time() + ahead, usegmt=True)})

    app: Any = web.Application()
    app.router.add_get("/{any:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        twilio = TwilioSettings(account_sid=ACCOUNT, auth_token=(Secret(TOKEN),), api_base_url=url, timeout_s=2)
        findings = [finding async for finding in carrier.clock(twilio)]
    finally:
        await runner.cleanup()
    assert [finding.level for finding in findings] == [level]
