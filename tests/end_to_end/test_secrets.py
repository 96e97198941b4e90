"""No secret, number or word of a call is found where it does not belong."""

import base64
import io
import sqlite3
from pathlib import Path
from urllib.parse import quote

from bridge import logs
from bridge.call.ports import Secret
from tests.standins import sound
from tests.standins.xuna import Xuna
from tests.support.deployment import VIEWER, deployed
from tests.support.house import API_KEY

TOKEN = "c0ffee9d8b7a6f5e4d3c2b1a09f8e7d6"
AGENT_KEY = "xi-canary-5f2a9c7e1b3d8460"
PHRASE = "the canary sings at midnight"
NUMBER = "+15550123456"
SECRETS = (AGENT_KEY, API_KEY, VIEWER, TOKEN)


def forms(secret: str) -> list[str]:
    """How it may be found."""
    raw = secret.encode()
    coded = [base64.b64encode(b"\0" * shift + raw).decode()[4 : 4 + 4 * (len(raw) // 3 - 1)] for shift in range(3)]
    return [secret[:12], quote(secret, safe="")[:12], "".join(f"%{byte:02x}" for byte in raw[:12]), *coded]


async def test_nothing_leaks_over_a_call_and_its_faults(tmp_path: Path) -> None:
    """Over calls that work and calls that fail, at DEBUG: no secret in logs, records, answers or metrics, no number and no
    word in logs and metrics.
    """
    output = io.StringIO()
    logging = logs.configure("debug", "json", [Secret(each) for each in SECRETS], stream=output)
    seen: list[str] = []
    async with deployed(tmp_path, xuna=Xuna(api_key=AGENT_KEY), auth_token=TOKEN) as all_:
        call, session = await all_.talking()
        await session.say(sound.tone(0.3, rate=16000), text=PHRASE)
        await session.user_transcript(PHRASE)
        await call.hears(0.2)
        for method, path in (
            ("GET", "/api/v1/calls"),
            ("GET", f"/api/v1/calls/{call.sid}"),
            ("GET", "/api/v1/openapi.json"),
            ("GET", "/api/v1/agents/support/token"),
            ("POST", f"/api/v1/calls/{call.sid}/transfer"),
            ("GET", "/api/v1/calls?agent=" + API_KEY + "%00"),
            ("POST", "/twilio/voice"),
            ("GET", f"/nothing/{API_KEY}"),
        ):
            reply = await all_.ask(method, path)
            seen.append(reply.text + str(reply.headers))
        await session.close(1000)
        await call.ended()
        leak = f'{{"signed_url": "http://x/?api_key={AGENT_KEY}"}}'
        for fault in ({"status": 401}, {"body": leak}):
            all_.xuna.fault("signed_url", times=None, **fault)
            failed = await all_.carrier.call()
            await failed.ended(timeout=20)
            all_.xuna.faults.clear()
        metrics = (await all_.ask("GET", "/metrics", key=None)).text
        seen += [metrics, *(twiml for each in all_.carrier.calls for _, twiml in each.documents)]
    logging.close()
    lines = output.getvalue()
    assert "call_ended" in lines
    assert "agent_failed" in lines
    with sqlite3.connect(tmp_path / "calls.db") as database:
        dump = "\n".join(database.iterdump())
    assert PHRASE in dump
    places = {"log": lines, "store": dump, "answers": "\n".join(seen)}
    for secret in SECRETS:
        for form in forms(secret):
            for place, text in places.items():
                assert form.lower() not in text.lower(), f"{form} in {place}"
    for private in (PHRASE, NUMBER, NUMBER[1:], quote(NUMBER)):
        assert private not in lines
        assert private not in metrics
