"""`python -m tests.standins.elevenlabs --port 9300 --api-key KEY --agent agent_1`."""

import argparse
import asyncio

from ..process import serve
from ..xuna import XunaAgent
from .server import ElevenLabs

if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--api-key", default="xi-standin-key-0001")
    options.add_argument("--agent", action="append")
    options.add_argument("--public", action="store_true")
    options.add_argument("--output-format", default="pcm_16000")
    given = options.parse_args()

    async def main() -> int:
        """Serve."""
        agents = [
            XunaAgent(a, public=given.public, output_format=given.output_format) for a in given.agent or ["agent_1"]
        ]
        return await serve(ElevenLabs(api_key=given.api_key, agents=agents, host=given.host, port=given.port))

    raise SystemExit(asyncio.run(main()))
