"""A real call, seen at an OpenTelemetry collector."""

from pathlib import Path

import pytest

pytest.importorskip(
    "opentelemetry.exporter.otlp.proto.http", reason="OpenTelemetry is not installed: callbridge[tracing]"
)

from tests.end_to_end.test_tools import ask, kura_agent, more
from tests.standins import sound
from tests.standins.kura import Kura
from tests.standins.otlp import Collector
from tests.standins.twilio import Carrier
from tests.support.house import PUBLIC, configuration, running
from tests.support.receiver import Receiver

PHRASE = "my secret phrase is heliotrope"


async def test_a_call_with_a_tool_becomes_one_trace_without_personal_data(tmp_path: Path) -> None:
    """All its parts arrive when it is over; no phone number, no word that was said and no secret is among them."""
    async with Collector() as collector, Kura() as kura, Receiver() as receiver:
        extra = (
            more(receiver)
            + f'[tracing]\nurl = "{collector.endpoint}"\nheaders = {{ x-token = "collector-token-0123" }}\n'
        )
        async with (
            running(tmp_path, configuration(tmp_path, kura_agent(kura), more=extra)) as house,
            Carrier(public_url=PUBLIC, address=f"127.0.0.1:{house.port}") as carrier,
        ):
            call = await carrier.call()
            session = await kura.session()
            await call.streaming()
            call_id = session.asked["metadata"]["call_id"]
            await session.say(sound.tone(0.5, rate=24000), text=PHRASE)
            await call.hears(0.2)
            assert (await ask(house, "book", date="2026-02-15", call_id=call_id))[0] == 200
            await call.hang_up()
            assert collector.seen("traces") == []
        (root,) = [span for span in collector.spans if not span.parent]
        assert root.facts["callbridge.call_id"] == call_id
        assert root.facts["callbridge.outcome.reason"] == "caller_hangup"
        names = {span.name for span in collector.spans}
        parts = {"webhook", "agent credential", "agent socket", "first word", "turn: agent", "tool", "ending"}
        assert parts <= names, names
        assert all(span.begin <= span.end for span in collector.spans)
        sent = b"".join(seen.body for seen in collector.seen("traces"))
        number = session.asked["phone_number"].encode()
        for canary in (number, PHRASE.encode(), b"heliotrope", next(iter(kura.keys)).encode(), b"2026-02-15"):
            assert canary not in sent
