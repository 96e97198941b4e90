"""``python -m bench.peers [--calls N] [--seconds S] [--rounds R] [--pipecat PYTHON]``: all bridges in turn, ratios."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import uvloop

from bridge.bench.agent import AgentServer
from bridge.bench.figures import Figures
from bridge.bench.run import SHAPES, Command, measure, rig

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def peer(script: str, python: str) -> Command:
    """The command of another bridge."""

    def command(config: Path, agent: AgentServer) -> list[str]:
        del config
        code = (
            f"import runpy, sys; sys.path.insert(0, {str(ROOT)!r}); sys.argv = sys.argv[1:]; "
            "runpy.run_path(sys.argv[0], run_name='__main__')"
        )
        return [python, "-c", code, str(HERE / script), agent.socket_url]

    return command


def reason(error: Exception) -> str:
    """Its words, where there are many the last ones; what it is where there are none."""
    return str(error).strip()[-400:] or type(error).__name__


async def one(name: str, command: Command | None, calls: int, seconds: float) -> Figures | None:
    """One run; None where it cannot be had."""
    try:
        async with rig(SHAPES["16k"], command=command) as running:
            return await measure(running, calls, seconds)
    except (RuntimeError, OSError, TimeoutError) as error:
        print(f"{name}: {reason(error)}", file=sys.stderr)
        return None


async def main(args: argparse.Namespace) -> int:
    """Rounds in which all take turns; the best of each."""
    ways: dict[str, Command | None] = {"callbridge": None}
    ways |= {"least": peer("least.py", sys.executable), "naive": peer("naive.py", sys.executable)}
    if args.pipecat:
        ways["pipecat"] = peer("pipecat_bridge.py", args.pipecat)
    found: dict[str, list[Figures]] = {name: [] for name in ways}
    for _ in range(args.rounds):
        for name, command in ways.items():
            figures = await one(name, command, args.calls, args.seconds)
            if figures is not None:
                found[name].append(figures)
    print(f"{args.calls} calls, {args.seconds:g} s, agent at 16 kHz, best of {args.rounds}")
    print("bridge      cpu ms/call-s  times ours  up p50 ms    p99  down p50 ms    p99  frames up  kB/call")
    best = {name: min(runs, key=lambda run: run.cpu_per_call_s) for name, runs in found.items() if runs}
    for name, run in best.items():
        ratio = run.cpu_per_call_s / best["callbridge"].cpu_per_call_s
        print(
            f"{name:<12}{run.cpu_per_call_s * 1000:>13.2f}{ratio:>12.1f}{run.up.p50 * 1000:>11.2f}{run.up.p99 * 1000:>7.1f}"
            f"{run.down.p50 * 1000:>13.2f}{run.down.p99 * 1000:>7.1f}{run.up.frames + run.up.unreadable:>11}"
            f"{run.per_call / 1000:>9.0f}"
        )
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.peers")
    parser.add_argument("--calls", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--pipecat", metavar="PYTHON", help="an interpreter with pipecat-ai, fastapi, uvicorn, uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(main(parser.parse_args())))
