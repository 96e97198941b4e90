"""``callbridge bench``: how many calls this machine carries, and what a frame costs."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bridge.bench.run import Rig

TABLE: Final = (1, 20, 50, 100, 200, 300)  # calls, where none are named
TABLE_S: Final = 5.0
BESIDE: Final = 100  # calls, while new ones come
RATE: Final = 50.0  # a second
SHOWN: Final = 3  # of many troubles


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``callbridge bench``."""
    parser.add_argument(
        "--calls", type=int, nargs="+", metavar="N", help="simulated calls at once; several are run in turn"
    )
    parser.add_argument("--seconds", type=float, default=None, metavar="S", help="of each run (default: 10)")
    parser.add_argument(
        "--agent",
        choices=("16k", "24k", "ulaw"),
        help="the agent's sound (default: 16k; without --calls 16k, then 24k with the bridge's own ear)",
    )
    parser.add_argument(
        "--rate", type=float, metavar="R", help="besides, R new calls a second beside the last N, for 10 s"
    )
    parser.add_argument("--json", action="store_true", help="JSON lines instead of a table")


def run(args: argparse.Namespace) -> int:
    """Measure; 1 where a frame was lost or changed, or a call did not come up."""
    import uvloop

    if args.calls is None and not args.json:
        _fidelity()
    agents = [args.agent] if args.agent else ["16k"] if args.calls else ["16k", "24k"]
    correct = True
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for agent in agents:
            correct = runner.run(_run(args, agent)) and correct
    return 0 if correct else 1


def _fidelity() -> None:
    """The cost and quality of the filter: part of the source checkout, since it measures others beside ours."""
    try:
        from bench import fidelity
    except ImportError:
        return
    fidelity.main()
    print()


async def _run(args: argparse.Namespace, agent: str) -> bool:
    from bridge.bench.figures import HEADER
    from bridge.bench.process import cores
    from bridge.bench.run import SHAPES, measure, rig

    if cores() is None and not args.json:
        print("There is one core for bridge and load together: the bridge alone would carry more.", file=sys.stderr)
    counts = args.calls or TABLE
    seconds = args.seconds or (TABLE_S if args.calls is None else 10.0)
    correct = True
    costs: dict[int, float] = {}  # of a second of one call, by their number
    async with rig(SHAPES[agent]) as running:
        if not args.json:
            print(
                f"the bridge after one call: {running.rest / 1e6:.0f} MB; {seconds:g} s a row; ms beyond the frame\n{HEADER}"
            )
        for calls in counts:
            try:
                figures = await measure(running, calls, seconds)
            except RuntimeError as error:  # more than this machine carries: said, and the next row may do better
                print(f"{calls} calls: {error}", file=sys.stderr)
                correct = False
                continue
            correct = correct and figures.correct
            costs[calls] = figures.cpu_per_call_s
            print(json.dumps(figures.json()) if args.json else figures.row(), flush=True)
            for trouble in running.load.troubles[:SHOWN]:
                print(f"       {trouble}", file=sys.stderr)
            if figures.late_s > 0.005 and not args.json:
                print(
                    f"       (the load itself was up to {figures.late_s * 1000:.0f} ms late: this core has other work)"
                )
        if not args.json and 50 in costs and 300 in costs:
            print(f"       a call among 300 costs {costs[300] / costs[50]:.2f} times what one among 50 costs")
        rate = args.rate or (RATE if args.calls is None else 0.0)
        if rate:
            correct = await _rush(running, rate, counts[-1] if args.calls else BESIDE, as_json=args.json) and correct
    return correct


async def _rush(running: Rig, rate: float, beside: int, *, as_json: bool) -> bool:
    """New calls while others are up: how soon the webhook answers."""
    from bridge.bench.figures import quantile
    from bridge.bench.run import burst

    try:
        await running.load.begin_many(beside)
        answers = await burst(running, rate=rate, seconds=10.0)
    except RuntimeError as error:
        print(f"{rate:g} new calls a second beside {beside}: {error}", file=sys.stderr)
        return False
    finally:
        await running.load.end_all()
    troubles = list(running.load.troubles)
    told = {"rate": rate, "beside": beside, "calls": len(answers), "failed": len(troubles)}
    told |= {"p50_ms": quantile(answers, 0.5) * 1000, "p99_ms": quantile(answers, 0.99) * 1000}
    told |= {"worst_ms": max(answers, default=0.0) * 1000}
    if as_json:
        print(json.dumps(told))
    else:
        print(
            f"{rate:g} new calls a second beside {beside}: the webhook answers in"
            f" p50 {told['p50_ms']:.1f} ms, p99 {told['p99_ms']:.1f} ms, at most {told['worst_ms']:.1f} ms"
        )
    if troubles:
        print(f"       {len(troubles)} of them failed:", file=sys.stderr)
    for trouble in troubles[:SHOWN]:
        print(f"       {trouble}", file=sys.stderr)
    return not troubles
