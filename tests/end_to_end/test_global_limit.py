"""A limit over all instances of a deployment."""

import contextlib
from pathlib import Path

from tests.standins.twilio import Carrier
from tests.support.house import PUBLIC, configuration, running

DEMO = '[agents.demo]\nprovider = "demo"\n'


async def test_together_no_more_than_the_limit(tmp_path: Path) -> None:
    """Two instances with room for hundreds take three calls between them, and the fourth caller is told so in words."""
    async with contextlib.AsyncExitStack() as stack:
        carriers = []
        houses = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            text = configuration(tmp_path, DEMO, more="max_calls_total = 3")
            house = await stack.enter_async_context(running(tmp_path / name, text))
            houses.append(house)
            carrier = Carrier(public_url=PUBLIC, address=f"127.0.0.1:{house.port}")
            carriers.append(await stack.enter_async_context(carrier))
        for house in (*houses, *houses):
            assert house.operations is not None
            await house.operations.beat()
        calls = [await carrier.call(from_=f"+1555012345{n}") for n, carrier in enumerate((*carriers, *carriers))]
        taken = [call for call in calls if "<Connect" in call.documents[0][1]]
        (refused,) = [call for call in calls if call not in taken]
        await refused.ended()
        assert refused.said
        for call in taken:
            await call.streaming()
            await call.hang_up()
