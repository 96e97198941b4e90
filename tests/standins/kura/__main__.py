"""`python -m tests.standins.kura --port 9200 --api-key KEY --per-minute 60`."""

import argparse
import asyncio

from ..process import serve
from .server import Key, Kura

if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--api-key", action="append")
    options.add_argument("--per-minute", type=int, default=60)
    given = options.parse_args()

    async def main() -> int:
        """Serve."""
        keys = [Key(k, per_minute=given.per_minute) for k in given.api_key or [Key().secret]]
        return await serve(Kura(keys=keys, host=given.host, port=given.port))

    raise SystemExit(asyncio.run(main()))
