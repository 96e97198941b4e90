"""``callbridge bench``: how many calls this machine carries, and what a frame costs."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Final

SHORT: Final = (1, 25, 50, 100)  # calls of the table that is printed without options
SHORT_S: Final = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``callbridge bench``."""
    parser.add_argument(
        "--calls", type=int, nargs="+", metavar="N", help="simulated calls at once; several are run in turn"
    )
    parser.add_argument("--seconds", type=float, default=None, metavar="S", help="of each run (default: 10)")
    parser.add_argument(
        "--agent", choices=("16k", "24k", "ulaw"), default="16k", help="the agent's sound (%(default)s)"
    )
    parser.add_argument(
        "--rate", type=float, metavar="R", help="besides, R new calls a second beside the last N, for 10 s"
    )
    parser.add_argument("--json", action="store_true", help="JSON lines instead of a table")


def run(args: argparse.Namespace) -> int:
    """Measure; 1 where a frame was lost or changed."""
    import uvloop

    if args.calls is None and not args.json:
        _fidelity()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(args))


def _fidelity() -> None:
    """The cost and quality of the filter: part of the source checkout, since it measures others beside ours."""
    try:
        from bench import fidelity
    except ImportError:
        return
    fidelity.main()
    print()


async def _run(args: argparse.Namespace) -> int:
    from bridge.bench.figures import HEADER, quantile
    from bridge.bench.process import cores
    from bridge.bench.run import SHAPES, burst, measure, rig

    if cores() is None and not args.json:
        print("There is one core for bridge and load together: the bridge alone would carry more.", file=sys.stderr)
    counts = args.calls or SHORT
    seconds = args.seconds or (SHORT_S if args.calls is None else 10.0)
    correct = True
    async with rig(SHAPES[args.agent]) as running:
        if not args.json:
            print(
                f"the bridge after one call: {running.rest / 1e6:.0f} MB; {seconds:g} s a row; ms beyond the frame\n{HEADER}"
            )
        for calls in counts:
            figures = await measure(running, calls, seconds)
            correct = correct and figures.correct
            print(json.dumps(figures.json()) if args.json else figures.row(), flush=True)
            if figures.late_s > 0.005 and not args.json:
                print(
                    f"       (the load itself was up to {figures.late_s * 1000:.0f} ms late: this core has other work)"
                )
        if args.rate:
            await running.load.begin_many(counts[-1])
            answers = await burst(running, rate=args.rate, seconds=10.0)
            told = {"rate": args.rate, "beside": counts[-1], "p50_ms": quantile(answers, 0.5) * 1000}
            told |= {"p99_ms": quantile(answers, 0.99) * 1000, "worst_ms": max(answers) * 1000, "calls": len(answers)}
            await running.load.end_all()
            if args.json:
                print(json.dumps(told))
            else:
                print(
                    f"{args.rate:g} new calls a second beside {counts[-1]}: the webhook answers in"
                    f" p50 {told['p50_ms']:.1f} ms, p99 {told['p99_ms']:.1f} ms, at most {told['worst_ms']:.1f} ms"
                )
    return 0 if correct else 1
