"""`python -m tests.standins.twilio --public-url https://bridge.example.com --address 127.0.0.1:8080 --calls 3 --seconds 5`.

Places calls at a bridge, one JSON line for each; with `--serve` it then stays up as Twilio's REST API.
"""

import argparse
import asyncio

from ..process import say, serve
from .carrier import Carrier
from .rest import TwilioRest


async def one(carrier: Carrier, to: str, seconds: float) -> None:
    """A call in which the caller speaks half of the time."""
    call = await carrier.call(to=to)
    if not call.over:
        try:
            await call.streaming(timeout=10)
            await call.speak(seconds / 2)
            await asyncio.sleep(seconds / 2)
        except AssertionError as error:
            call.errors.append(str(error))
    await call.hang_up()
    say(call.summary())


async def main(given: argparse.Namespace) -> int:
    """Place the calls, then serve where that is wanted."""
    async with Carrier(
        public_url=given.public_url, address=given.address, auth_token=given.auth_token, account_sid=given.account_sid
    ) as carrier:
        await asyncio.gather(*(one(carrier, given.to, given.seconds) for _ in range(given.calls)))
        code = await serve(TwilioRest(carrier, host=given.host, port=given.port)) if given.serve else 0
        say({"violations": carrier.violations})
        failed = bool(carrier.violations)
        carrier.violations.clear()
    return 1 if failed else code


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--public-url", required=True)
    options.add_argument("--address")
    options.add_argument("--account-sid", default="AC" + "0123456789abcdef" * 2)
    options.add_argument("--auth-token", default="0123456789abcdef0123456789abcdef")
    options.add_argument("--to", default="+15550100")
    options.add_argument("--calls", type=int, default=0)
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--serve", action="store_true")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=0)
    raise SystemExit(asyncio.run(main(options.parse_args())))
