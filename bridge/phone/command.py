"""``callbridge phone``: call a bridge, and hear what a caller hears."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from urllib.parse import urlsplit

from bridge.audio.sound import Sound
from bridge.audio.wav import BadWav, read_file, write
from bridge.phone.options import ACCOUNT_SID, PhoneFailure, PhoneOptions
from bridge.phone.report import Moment, PhoneReport
from bridge.phone.script import Speak, converse
from bridge.phone.simulated import SimulatedPhone

KEYS = frozenset("0123456789*#ABCDwW,")


class _Turn(argparse.Action):
    """Keeps ``--say`` and ``--wav`` in the order in which they were given."""

    def __call__(
        self, parser: object, namespace: argparse.Namespace, values: object, option: str | None = None
    ) -> None:
        namespace.turns = [*(namespace.turns or []), (str(option).lstrip("-"), str(values))]


def _keys(text: str) -> str:
    if not set(text) <= KEYS:
        raise argparse.ArgumentTypeError("keys are 0-9 * # A-D; w waits half a second")
    return text


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError("an address looks like http://127.0.0.1:8080")
    return text.rstrip("/")


def _duration(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 24 * 3600:
        raise ValueError(text)
    return seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``callbridge phone``."""
    port = os.environ.get("PORT", "8080")
    add = parser.add_argument
    add("--url", type=_url, default=f"http://127.0.0.1:{port}", help="where the bridge answers (default: %(default)s)")
    add("--public-url", type=_url, help="the bridge's public_url, where it differs: signatures are made over it")
    add("--from", dest="from_number", metavar="NUMBER", default="+15550123456", help="who calls (default: %(default)s)")
    add("--to", dest="to_number", metavar="NUMBER", default="+15550100", help="the line to call (default: %(default)s)")
    add("--wav", action=_Turn, dest="turns", metavar="FILE", help="speak this recording; may be given again")
    add("--say", action=_Turn, dest="turns", metavar="TEXT", help="speak these words; may be given again")
    add(
        "--dtmf",
        type=_keys,
        default="",
        metavar="KEYS",
        help="then press these keys, such as 12#; w waits half a second",
    )
    add(
        "--out",
        type=Path,
        default=Path("heard.wav"),
        metavar="FILE",
        help="what the caller heard (default: %(default)s)",
    )
    add("--account-sid", default=os.environ.get("TWILIO_ACCOUNT_SID", ACCOUNT_SID), help="default: $TWILIO_ACCOUNT_SID")
    add(
        "--auth-token",
        default=os.environ.get("TWILIO_AUTH_TOKEN", ""),
        help="signs the requests; default: $TWILIO_AUTH_TOKEN",
    )
    add(
        "--max-duration", type=_duration, default=300.0, metavar="SECONDS", help="hang up then (default: %(default).0f)"
    )
    add("--json", action="store_true", help="print one JSON object at the end instead of the conversation")


def run(args: argparse.Namespace, *, speak: Speak | None = None) -> int:
    """Place the call; the exit code: 0 done, 1 failed. ``speak`` makes the sound of ``--say``."""
    try:
        report = asyncio.run(_call(args, speak))
    except KeyboardInterrupt:
        return 1
    except (PhoneFailure, BadWav) as error:
        sys.stderr.write(f"callbridge phone: {error}{'. ' + error.hint if error.hint else ''}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"callbridge phone: {args.out} cannot be written: {error.strerror}\n")
        return 1
    sys.stdout.write(json.dumps(report.public(), indent=2) + "\n" if args.json else summary(report, args.out))
    return 0 if report.answered and not report.faults else 1


def show(moment: Moment) -> None:
    """One line of the conversation, as it happens."""
    sys.stdout.write(f"{moment}\n")
    sys.stdout.flush()


def summary(report: PhoneReport, out: Path | None = None) -> str:
    """The latencies of a call, and where its sound is."""

    def figures(values: list[float]) -> str:
        return ", ".join(f"{value:.0f} ms" for value in values) or "none"

    first = "none" if report.first_word_ms is None else f"{report.first_word_ms:.0f} ms after the stream's start"
    lines = [
        f"  answered after      {figures([] if report.answer_ms is None else [report.answer_ms])}",
        f"  first word          {first}",
        f"  answers             {figures(report.response_ms)} after the caller's last sound",
        f"  interruptions       {figures(report.interruption_ms)} from the caller's first sound to silence",
    ]
    lines += [f"  fault               {fault}" for fault in report.faults]
    if out is not None and report.answered:
        lines.append(f"  heard               {report.duration_s:.1f} s in {out}")
    return "\n" + "\n".join(lines) + "\n"


async def _call(args: argparse.Namespace, speak: Speak | None) -> PhoneReport:
    turns = [await _sound(kind, value, speak) for kind, value in args.turns or []]
    options = PhoneOptions(
        url=args.url,
        public_url=args.public_url,
        account_sid=args.account_sid,
        auth_token=args.auth_token,
        from_number=args.from_number,
        to_number=args.to_number,
        max_duration_s=args.max_duration,
    )
    phone = SimulatedPhone(options, converse(turns, args.dtmf), watch=(lambda moment: None) if args.json else show)
    with contextlib.suppress(NotImplementedError):  # Windows: there Ctrl-C ends the command at once
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, phone.hang_up)
    try:
        report = await phone.call()
    finally:
        if phone.report.answered:
            await asyncio.to_thread(args.out.write_bytes, write(phone.report.sound()))
    return report


async def _sound(kind: str, value: str, speak: Speak | None) -> tuple[str, Sound]:
    if kind == "wav":
        return "", await asyncio.to_thread(read_file, Path(value))
    if speak is None:
        raise PhoneFailure("there is no speech synthesis here", hint="Use --wav instead of --say.")
    return value, await speak(value)
