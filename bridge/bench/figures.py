"""What one run found, and how it is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

HEADER: Final = (
    "calls  agent     cpu ms/call-s  kernel %  core %  up p50  p99   max  down p50  p99   max ms"
    "  lost  wrong  kB/call  gc max ms"
)


@dataclass(frozen=True, slots=True)
class Way:
    """One direction: frames and latencies in seconds, without the filter's delay."""

    frames: int
    lost: int
    wrong: int  # repeated, changed or unreadable
    unreadable: int
    p50: float
    p99: float
    worst: float


@dataclass(frozen=True, slots=True)
class Figures:
    """One run of ``calls`` calls."""

    calls: int
    agent: str
    seconds: float
    cpu_per_call_s: float  # seconds of processor for a second of a call
    kernel: float  # share of that which the system's own code took: sockets, mostly
    core: float  # share of one core
    up: Way
    down: Way
    rss_rest: int  # bytes, after a first call
    rss: int  # at the end of the measurement
    worst_collection_s: float
    late_s: float  # p99 of the generator's own lateness
    generator: float  # share of its core
    dropped: int  # calls that the bridge ended, or did not let end
    answers: tuple[float, ...]  # of the webhook, s

    @property
    def per_call(self) -> float:
        """Bytes of memory for a call."""
        return (self.rss - self.rss_rest) / self.calls

    @property
    def correct(self) -> bool:
        """Nothing lost, repeated, changed; every call lived."""
        ways = (self.up, self.down)
        return not self.dropped and all(way.frames and not way.lost and not way.wrong for way in ways)

    @property
    def carried(self) -> bool:
        """The machine carries so many calls: correct, and p99 under 20 ms each way."""
        return self.correct and max(self.up.p99, self.down.p99) < 0.02

    def row(self) -> str:
        """The line under HEADER."""
        up, down = self.up, self.down
        return (
            f"{self.calls:>5}  {self.agent:<9}{self.cpu_per_call_s * 1000:>13.2f}{self.kernel * 100:>10.0f}{self.core * 100:>9.0f}"
            f"{up.p50 * 1000:>8.2f}{up.p99 * 1000:>6.1f}{up.worst * 1000:>6.1f}"
            f"{down.p50 * 1000:>9.2f}{down.p99 * 1000:>6.1f}{down.worst * 1000:>9.1f}"
            f"{up.lost + down.lost:>6}{up.wrong + down.wrong:>7}{self.per_call / 1000:>9.0f}"
            f"{self.worst_collection_s * 1000:>11.1f}"
        )

    def json(self) -> dict[str, object]:
        """For scripts."""
        return {
            "calls": self.calls,
            "agent": self.agent,
            "seconds": self.seconds,
            "cpu_ms_per_call_s": round(self.cpu_per_call_s * 1000, 3),
            "kernel": round(self.kernel, 3),
            "core": round(self.core, 3),
            "up_ms": [round(value * 1000, 2) for value in (self.up.p50, self.up.p99, self.up.worst)],
            "down_ms": [round(value * 1000, 2) for value in (self.down.p50, self.down.p99, self.down.worst)],
            "frames": self.up.frames + self.down.frames,
            "lost": self.up.lost + self.down.lost,
            "wrong": self.up.wrong + self.down.wrong,
            "dropped_calls": self.dropped,
            "rest_mb": round(self.rss_rest / 1e6, 1),
            "kb_per_call": round(self.per_call / 1000, 1),
            "gc_worst_ms": round(self.worst_collection_s * 1000, 2),
            "generator_late_p99_ms": round(self.late_s * 1000, 2),
            "answer_p99_ms": round(quantile(self.answers, 0.99) * 1000, 1),
            "carried": self.carried,
        }


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of them lie, 0 where there is none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
