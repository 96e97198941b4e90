"""``python -m bench.capacity`` writes the tables of ``docs/capacity.md``; ``--check``: are they what the measured figures give?

What a call costs is read where it was measured, in ``docs/performance.md``, and nowhere else. With ``--cpu-ms``, ``--call-kb`` and
``--process-mb`` the same tables are printed for a machine of your own, by what ``callbridge bench`` says there.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.store.database import POOL
from bridge.store.writer import BATCH, INTERVAL, MAX_PAUSE

DOCS: Final = Path(__file__).parent.parent / "docs"
PAGE, MEASURED = DOCS / "capacity.md", DOCS / "performance.md"
BEGIN, END = "<!-- Written by python -m bench.capacity from docs/performance.md: -->\n", "<!-- until here -->"
LOADS: Final = (1_000, 10_000, 100_000)  # calls at once
TALK_S: Final = 180
MAX_CALLS: Final = 200  # of an instance
SPARE: Final = 0.1  # of all instances may be gone
MESSAGES_S: Final = 50  # each way, on each socket
ENVELOPE: Final = 74  # bytes of a message beside its sound: JSON, WebSocket head
WIRE: Final = 85  # bytes of a message on the wire beside itself: TLS record, TCP, IP
WRITES_CALL: Final = 4  # transactions: offered, its socket admitted, its record begun, its record ended
IDLE_WRITES_S: Final = 1.75  # transactions of an instance without a call: signs of life, commands, outbox
KURA_SESSIONS_MIN: Final = 60  # of one key


@dataclass(frozen=True)
class Costs:
    """Of one call, and of one process. Each a range, from low to high."""

    cpu_ms: tuple[float, float]  # of a second of a call
    call_kb: tuple[float, float]
    process_mb: float


def measured(text: str) -> Costs:
    """As the page of measurements tells them. Raises ValueError with the row that is not there as expected."""

    def row(name: str, figures: str) -> list[float]:
        found = re.search(rf"^\| {re.escape(name)} \|[^|]*\| {figures}", text, re.MULTILINE)
        if found is None:
            raise ValueError(f"docs/performance.md has no row {name!r} with {figures!r}")
        return [float(each) for each in found.groups()]

    number = r"([\d.]+)"
    _, many = row("CPU of a call-second, 100 calls, 16 kHz", f"{number} to {number} ms")
    few, _ = row("the same with 300 calls", f"{number} to {number} ms")
    low, high = row("memory of a call", f"{number} to {number} kB")
    process, parent = row("the process after one call", f"{number} MB, and {number} of the parent")
    return Costs((few, many), (low, high), process + parent)


def mbit(sound: int) -> float:
    """Of one direction of a socket whose messages carry so many bytes of sound."""
    return (math.ceil(sound / 3) * 4 + ENVELOPE + WIRE) * 8 * MESSAGES_S / 1e6


def tables(costs: Costs) -> str:
    """Both."""
    carrier, agent = mbit(160), mbit(640)
    low, high = costs.cpu_ms
    share = [each * MAX_CALLS / 10 for each in costs.cpu_ms]
    rows = [
        ("CPU", f"{low:g} to {high:g} ms of each second of a call", "measured, 300 and 100 calls at once"),
        (
            "memory",
            f"{costs.call_kb[0]:g} to {costs.call_kb[1]:g} kB beside {costs.process_mb:g} MB of the process",
            "measured",
        ),
        (
            "carrier's side, each way",
            f"{MESSAGES_S} messages a second: {carrier:.2f} Mbit/s",
            "160 bytes of mu-law in base64 and JSON, TLS, TCP",
        ),
        (
            "agent's side, each way",
            f"{MESSAGES_S} messages a second: {agent:.2f} Mbit/s",
            "640 bytes of PCM16 at 16 kHz, as long as it speaks",
        ),
        (
            "database, whole call",
            f"{WRITES_CALL} transactions; the webhook waits for one, the socket for one",
            "counted",
        ),
        (
            "database, while it lasts",
            f"its record when it has changed, every {INTERVAL:g} to {MAX_PAUSE:g} s at most, {BATCH} to a transaction",
            "the code",
        ),
        ("database, an instance", f"{IDLE_WRITES_S:g} small transactions a second without any call", "counted"),
    ]
    text = "## What one call costs\n| | | from |\n|---|---|---|\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)
    instances = [math.ceil(load / MAX_CALLS / (1 - SPARE)) for load in LOADS]
    begin = [load / TALK_S for load in LOADS]
    many = zip(LOADS, instances, strict=True)
    memory = [[(n * costs.process_mb + load * kb / 1000) / 1000 for kb in costs.call_kb] for load, n in many]
    needs = [
        ("beginning, per second", [f"{each:,.3g}" for each in begin]),
        (f"instances of {MAX_CALLS} (a tenth to spare)", [f"{each:,}" for each in instances]),
        ("cores for sound", [f"{load * low / 1000:,.3g} to {load * high / 1000:,.3g}" for load in LOADS]),
        ("memory, GB", [f"{a:,.1f} to {b:,.1f}" for a, b in memory]),
        ("bandwidth each way, Gbit/s", [f"{load * (carrier + agent) / 1000:,.2g}" for load in LOADS]),
        ("database: transactions a second of beginnings and ends", [f"{each * WRITES_CALL:,.0f}" for each in begin]),
        ("database: of records that change once a second", [f"{math.ceil(load / BATCH):,} or more" for load in LOADS]),
        ("database: of the instances themselves", [f"{each * IDLE_WRITES_S:,.0f}" for each in instances]),
        (f"database connections ({POOL} an instance)", [f"{each * POOL:,}" for each in instances]),
        (
            f"Kura keys ({KURA_SESSIONS_MIN} sessions a minute each)",
            [f"{math.ceil(each * 60 / KURA_SESSIONS_MIN):,}" for each in begin],
        ),
    ]
    text += (
        f"\n## What many need\nA call of {TALK_S // 60} minutes, an instance on each core with `max_calls = {MAX_CALLS}` "
        f"({share[0]:.0f} to {share[1]:.0f} % of a core at these figures).\n\n"
        f"| calls at once | {' | '.join(f'{load:,}' for load in LOADS)} |\n|---|---|---|---|\n"
    )
    return text + "".join(f"| {name} | {' | '.join(cells)} |\n" for name, cells in needs)


def rewritten(page: str, costs: Costs) -> str:
    """The page with its tables anew."""
    before, _, rest = page.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"docs/capacity.md lacks {BEGIN.strip()} or {END}")
    return f"{before}{BEGIN}{tables(costs)}{END}{after}"


def main(arguments: list[str] | None = None) -> int:
    """Write, check or print; 1 where the page is not up to date."""
    parser = argparse.ArgumentParser(prog="python -m bench.capacity", description=__doc__)
    parser.add_argument("--check", action="store_true")
    for name in ("--cpu-ms", "--call-kb", "--process-mb"):
        parser.add_argument(name, type=float, metavar="N", help="measured on a machine of yours; prints the tables")
    args = parser.parse_args(arguments)
    costs = measured(MEASURED.read_text())
    if (args.cpu_ms, args.call_kb, args.process_mb) != (None, None, None):
        cpu = costs.cpu_ms if args.cpu_ms is None else (args.cpu_ms, args.cpu_ms)
        kb = costs.call_kb if args.call_kb is None else (args.call_kb, args.call_kb)
        print(tables(Costs(cpu, kb, costs.process_mb if args.process_mb is None else args.process_mb)))
        return 0
    page = PAGE.read_text()
    wanted = rewritten(page, costs)
    if args.check:
        return int(page != wanted)
    PAGE.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
