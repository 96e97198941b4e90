"""Built-in tools that reach beyond the call: a text, a call back, the list of those who want no calls."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from bridge.call.record import Direction
from bridge.store.suppression import Suppressions
from tests.standins import sound
from tests.standins.elevenlabs import ElevenLabs
from tests.standins.twilio import Carrier
from tests.standins.twilio.rest import TwilioRest
from tests.support.house import ACCOUNT, API_KEY, PUBLIC, TOKEN, running

PERSON = "+15550123456"


async def test_an_agent_texts_calls_back_and_takes_off_the_list(tmp_path: Path) -> None:
    """All for the person of the call and nobody else; the call back waits in the store for its time."""
    carrier = Carrier(public_url=PUBLIC, address="127.0.0.1:1")
    async with ElevenLabs() as server, TwilioRest(carrier) as rest:
        text = f"""
public_url = "{PUBLIC}"
database_url = "sqlite:///{tmp_path}/calls.db"
[carriers.twilio]
account_sid = "{ACCOUNT}"
auth_token = "{TOKEN}"
api_base_url = "{rest.url}"
[api]
keys = ["{API_KEY}"]
[outbound]
allowed_prefixes = ["+1"]
[agents.support]
provider = "xuna"
dialect = "elevenlabs"
agent_id = "agent_1"
api_key = "{server.api_key}"
base_url = "{server.url}"
[[lines]]
number = "+15550100"
agent = "support"
"""
        async with running(tmp_path, text) as house:
            carrier._hosts["bridge.example.com"] = f"127.0.0.1:{house.port}"
            async with carrier:
                call = await carrier.call()
                session = await server.session()
                await call.streaming()
                await session.say(sound.tone(0.3, rate=16000), text="Hello!")
                await call.hears(0.2)
                at = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
                for name, arguments in [
                    ("send_sms", {"text": "Your code is 42.", "to": "+19005551234"}),
                    ("schedule_callback", {"at": at, "note": "results"}),
                    ("opt_out", {}),
                ]:
                    result = await session.result(await session.call_tool(name, arguments))
                    assert not result["is_error"], result
                late = await session.result(await session.call_tool("send_sms", {"text": "One more."}))
                assert late["is_error"], "who wants to hear nothing more gets no texts either"
                await call.hang_up()
                await session.gone()
            assert [(each["to"], each["body"]) for each in rest.texts.sent.values()] == [(PERSON, "Your code is 42.")]
            placed = (await house.calls.list(direction=Direction.OUTBOUND)).calls
            assert [(each.to_number, each.detail["variables"]) for each in placed] == [
                (PERSON, {"callback_note": "results"})
            ]
            assert await Suppressions(house.database).has(PERSON)
            assert not rest.seen("create_call")
