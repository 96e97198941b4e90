"""A bridge that is told to stop while calls are live, to the letter: ``callbridge serve`` as a process, and real time.

Part of ``python -m bench.outages``; by itself: ``python -m bench.drains``. Every call sings both ways: where a sample of it
is lost, its end is no good one.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.acceptance.bridge import Bridge, configuration, serving, xuna
from tests.standins.twilio import Carrier, TwilioRest
from tests.standins.twilio.call import PhoneCall
from tests.standins.xuna import Xuna
from tests.support.canary import Canary
from tests.support.house import PUBLIC, TOKEN

SIGNAL_S = 1.0  # from the first sound of all calls
ENDS_S = (2.0, 4.0, 6.0, 8.0, 10.0)
UNREADY_S = 0.2  # from the signal to a /readyz that says no
LEFT_S = 1.0  # from the end of the last call to the end of the process
DEADLINE_S = 5.0
AT_ONCE_S = 2.0  # from the second signal to the end of the process
FAREWELL_S = 1.0  # of words, at least
FALLBACK = "+15550999"
OUTBOUND = '[outbound]\nallowed_prefixes = ["+1"]\n'

Row = Callable[[str, str, bool], None]


@dataclass
class Stage:
    """Who is there."""

    bridge: Bridge
    carrier: Carrier
    rest: TwilioRest
    agent: Xuna

    async def singing(self, number: int) -> Canary:
        """One more call, which sings."""
        call = await self.carrier.call(from_=f"+155501250{number:02}")
        session = await self.agent.session()
        await call.streaming()
        return Canary(call, session)

    async def stored(self, call: PhoneCall, database: Path) -> str:
        """How its record ended, read from the store: the process may be gone."""
        from bridge.store.calls import Calls
        from bridge.store.database import Database

        store = Database(f"sqlite:///{database}")
        try:
            record = await Calls(store).get(call.sid)
        finally:
            await store.close()
        return "no record" if record is None else str(record.outcome)


@asynccontextmanager
async def stage(folder: Path, top: str = "") -> AsyncIterator[Stage]:
    """A bridge with its parent, its agent and its carrier."""
    carrier = Carrier(public_url=PUBLIC, auth_token=TOKEN)
    async with Xuna(init_within=10.0, pong_within=10.0) as agent, TwilioRest(carrier) as rest, carrier:
        line = f'[[lines]]\nnumber = "*"\nagent = "support"\nfallback = {{ dial = "{FALLBACK}" }}\n'
        more = '[logging]\nformat = "json"\n' + OUTBOUND
        text = configuration(folder, xuna(agent), lines=line, top=top, more=more, rest=rest.url)
        async with serving(folder, text) as bridge:
            carrier.reach(bridge.address)
            yield Stage(bridge, carrier, rest, agent)


async def until_unready(bridge: Bridge, began: float) -> float:
    """Seconds from ``began`` until /readyz says no."""
    async with asyncio.timeout(5):
        while await bridge.status("/readyz") != 503:  # noqa: ASYNC110 - from outside
            await asyncio.sleep(0.005)
    return time.monotonic() - began


async def ends(singer: Canary, at: float, *, by_agent: bool) -> str:
    """Let it sing until ``at``, then end it as calls end; what was wrong, "" where nothing was."""
    await asyncio.sleep(max(0.0, at - time.monotonic()))
    try:
        await singer.sang()
    except AssertionError as error:
        return str(error)
    finally:
        if by_agent:
            await singer.session.close(1000)
        else:
            await singer.call.hang_up()
    return "" if await singer.call.ended() == "completed" else singer.call.status


async def to_the_letter(row: Row) -> None:
    """Five calls that end at 2, 4, 6, 8 and 10 s, and a sixth that was promised its stream; SIGTERM at 1 s."""
    with tempfile.TemporaryDirectory(prefix="callbridge-drain-") as name:
        folder = Path(name)
        async with stage(folder) as cast:
            bridge = cast.bridge
            singers = [await cast.singing(number) for number in range(len(ENDS_S))]
            origin = time.monotonic()
            cast.carrier.stream_delay = 2 * SIGNAL_S  # its socket comes after the signal
            promised = await cast.carrier.call(from_="+15550126000")
            ending = [
                asyncio.create_task(ends(singer, origin + at, by_agent=number % 2 == 1))
                for number, (singer, at) in enumerate(zip(singers, ENDS_S, strict=True))
            ]
            await asyncio.sleep(max(0.0, origin + SIGNAL_S - time.monotonic()))
            cast.carrier.stream_delay = 0.0
            began = time.monotonic()
            bridge.signal(signal.SIGTERM)
            unready = await until_unready(bridge, began)
            row("/readyz says no", f"{unready * 1000:.0f} ms after SIGTERM", unready <= UNREADY_S)
            refused = await cast.carrier.call(from_="+15550126001")
            await refused.ended()
            words, dialled = refused.said, [each.to for each in refused.dialled]
            good = bool(words) and dialled == [(FALLBACK,)] and not refused.streams
            row("a new call", f"hears {words}, and the fallback is dialled" if good else f"{refused.summary()}", good)
            status, _ = await bridge.api("/calls", method="POST", json={"to": "+12125550123", "from": "+15550100"})
            row("POST /api/v1/calls", str(status), status == 503)
            session = await cast.agent.session()
            await promised.streaming()
            await session.say(0.5)
            await promised.hears(0.45)
            await promised.hang_up()
            row("a stream promised before", "is taken, and its agent heard", True)
            wrong = [words for words in await asyncio.gather(*ending) if words]
            last = max(singer.call.ended_at or 0.0 for singer in singers)
            code = await bridge.stopped(timeout=30)
            took = time.monotonic() - last
            row(
                "the five calls", f"{len(singers) - len(wrong)} of {len(singers)} to their end {wrong or ''}", not wrong
            )
            reasons = [await cast.stored(singer.call, folder / "calls.db") for singer in singers]
            row("their records", ", ".join(reasons), set(reasons) <= {"caller_hangup", "agent_hangup"})
            row("the process", f"ends with {code}, {took:.2f} s after the last call", code == 0 and took <= LEFT_S)


async def never(*_: Any, **__: Any) -> Any:
    """A carrier that has lost track asks nothing."""
    await asyncio.Event().wait()


async def deadline(row: Row) -> None:
    """Two calls that would go on, with a deadline of 5 s; of one of them the carrier has lost track and asks nothing."""
    with tempfile.TemporaryDirectory(prefix="callbridge-drain-") as name:
        folder = Path(name)
        async with stage(folder, top=f"drain_timeout_s = {DEADLINE_S:g}") as cast:
            calls = []
            for number in range(2):
                call = await cast.carrier.call(from_=f"+155501270{number:02}")
                session = await cast.agent.session()
                await call.streaming()
                await session.say(0.5)
                await call.hears(0.45)
                calls.append(call)
            calls[1].fetch = never  # type: ignore[method-assign]
            began = time.monotonic()
            cast.bridge.signal(signal.SIGTERM)
            heard = []
            for call in calls:
                await call.hears(FAREWELL_S, timeout=DEADLINE_S + 5)
                heard.append(time.monotonic() - began)
            row("the farewell", f"is heard {min(heard):.1f} s after SIGTERM", min(heard) >= DEADLINE_S)
            ended = [await call.ended(timeout=20) for call in calls]
            last = max(call.ended_at or 0.0 for call in calls)
            code = await cast.bridge.stopped(timeout=20)
            took = time.monotonic() - last
            row("the calls", f"{', '.join(ended)}: {calls[0].reason}; {calls[1].reason}", ended == ["completed"] * 2)
            asked = [each.path.rpartition("/")[2] for each in cast.rest.seen("update_call")]
            over_rest = f"{calls[1].sid}.json" in asked
            row("the line lost track of", "is ended over REST" if over_rest else "is left open", over_rest)
            reasons = [await cast.stored(call, folder / "calls.db") for call in calls]
            row("their records", ", ".join(reasons), reasons == ["drain_timeout"] * 2)
            row("the process", f"ends with {code}, {took:.2f} s after the last call", code == 0 and took <= LEFT_S)


async def twice(row: Row) -> None:
    """A second SIGTERM, while a call is live."""
    with tempfile.TemporaryDirectory(prefix="callbridge-drain-") as name:
        folder = Path(name)
        async with stage(folder) as cast:
            singer = await cast.singing(0)
            await asyncio.sleep(SIGNAL_S)
            cast.bridge.signal(signal.SIGTERM)
            await asyncio.sleep(SIGNAL_S)
            began = time.monotonic()
            cast.bridge.signal(signal.SIGTERM)
            code = await cast.bridge.stopped(timeout=20)
            took = time.monotonic() - began
            row("a second SIGTERM", f"ends it after {took:.2f} s, with {code}", took <= AT_ONCE_S)
            reason = await cast.stored(singer.call, folder / "calls.db")
            row("the record", reason, reason == "drain_timeout")
            await singer.gone()
            cast.carrier.violations.clear()  # nobody was there to answer


async def drains(row: Row) -> None:
    """All of it."""
    for part in (to_the_letter, deadline, twice):
        await part(row)


async def main() -> int:
    """The table; 1 where something is not as it should be."""
    verdicts: list[bool] = []

    def row(name: str, text: str, good: bool) -> None:
        verdicts.append(good)
        print(f"{name:<26}{text}{'' if good else '   NOT reached'}", flush=True)

    await drains(row)
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
