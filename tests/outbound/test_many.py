"""A campaign of many short calls, many at once: each person's outcome is what that person did."""

import asyncio
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.standins.twilio import Carrier, Person, TwilioRest
from tests.standins.xuna import Xuna
from tests.standins.xuna.session import XunaSession
from tests.support.campaign import US, Processes, ask, configuration, finished, free_port, people_talk, up
from tests.support.house import API_KEY, PUBLIC

PEOPLE = int(os.environ.get("MANY_PEOPLE", "60"))
AT_ONCE = int(os.environ.get("MANY_AT_ONCE", "50"))
TALK_S = float(os.environ.get("MANY_TALK", "2"))
RATE = 20.0
# What every twentieth person does, the outcome of that, and how many calls it takes; "busy" is so the first time only.
WAYS: dict[int, tuple[str, str, int]] = {
    0: ("busy", "talked", 2),
    1: ("busy", "talked", 2),
    2: ("busy", "confirmed", 2),
    3: ("no-answer", "no_answer", 1),
    4: ("failed", "failed", 1),
    5: ("machine", "machine", 1),
    6: ("I'll be there.", "confirmed", 1),
    7: ("Ich komme leider nicht, können wir den Termin verschieben?", "rescheduled", 1),
    8: ("No me llamen más.", "opted_out", 1),
    9: ("Vous avez un faux numéro.", "wrong_number", 1),
}
ANY = ("", "talked", 1)


def way(number: str) -> tuple[str, str, int]:
    """What the person with this number does."""
    return WAYS.get(int(number[-4:]) % 20, ANY)


def person(number: str) -> Person:
    """At the first call."""
    does = way(number)[0]
    if does in {"busy", "no-answer", "failed"}:
        return Person(does, rings=0.05)
    return Person("answer", rings=0.05, answered_by="machine" if does == "machine" else "human")


async def speak(session: XunaSession) -> None:
    """The words of whoever says something."""
    does, outcome, _ = way(str(session.variables["phone_number"]))
    if outcome in {"confirmed", "rescheduled", "opted_out", "wrong_number"}:
        await session.user_transcript("I'll be there." if does == "busy" else does)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_every_person_has_the_outcome_of_what_they_did(url: str, tmp_path: Path) -> None:
    """Of many calls at once none takes another's outcome, nobody is called more often than needed, and no limit is passed."""
    numbers = [f"+1212555{number:04d}" for number in range(1000, 1000 + PEOPLE)]
    port = free_port()
    async with (
        Xuna() as xuna,
        Carrier(public_url=PUBLIC, address=f"127.0.0.1:{port}") as carrier,
        TwilioRest(carrier) as rest,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {API_KEY}"}) as http,
    ):
        xuna.on_session = speak
        rest.numbers = {US}
        rest.people.update({each: person(each) for each in numbers})
        config = tmp_path / "bridge.toml"
        config.write_text(configuration(url, rest, xuna, rate=RATE, at_once=AT_ONCE))
        processes = Processes(config, port)
        base = f"http://127.0.0.1:{port}"
        busy = {each for each in numbers if way(each)[0] == "busy"}
        talk = asyncio.create_task(people_talk(carrier, rest, busy, seconds=TALK_S))
        try:
            await processes.start("bridge")
            await up(http, base)
            await processes.start("worker")
            rules: dict[str, Any] = {"retry_on": ["busy"], "retry_delay_s": 1, "max_failure_rate": 1.0}
            rules["machine_detection"] = "detect"
            body = {"rules": rules, "people": [{"number": each, "zone": "America/New_York"} for each in numbers]}
            made = await ask(http, "POST", f"{base}/api/v1/campaigns", body)
            campaign = f"{base}/api/v1/campaigns/{made['campaign_id']}"
            began = time.monotonic()
            await ask(http, "POST", f"{campaign}/start", {})
            await finished(http, campaign, within=240 + PEOPLE * 0.5)
            took = time.monotonic() - began
            results = (await ask(http, "GET", f"{campaign}/results?format=json"))["results"]
            suppressed = (await ask(http, "GET", f"{base}/api/v1/suppressions"))["suppressions"]
        finally:
            talk.cancel()
            await processes.end()
        print(
            f"\n{PEOPLE} people on {url.split(':', maxsplit=1)[0]}, {len(carrier.calls)} calls of {TALK_S:g} s, {took:.0f} s, "
            f"at most {rest.dialler.peak_live} at once, {rest.dialler.most_within()} in a second; "
            f"{dict(Counter(each['result'] for each in results))}"
        )
        found = {each["number"]: (each["result"], each["calls"]) for each in results}
        wrong = {each: found.get(each) for each in numbers if found.get(each) != way(each)[1:]}
        assert not wrong, [each for each in results if each["number"] in wrong][:5]
        assert Counter(call.to for call in carrier.calls) == {each: way(each)[2] for each in numbers}
        assert rest.dialler.peak_live <= AT_ONCE
        assert {each["number"] for each in suppressed} == {each for each in numbers if way(each)[1] == "opted_out"}
