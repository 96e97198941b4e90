"""Logging: JSON lines on standard output (pretty on a terminal), our own and every library's, in one pipeline.

::

    structlog ─┐
    logging   ─┴─> level -> rate limit -> traceback as text -> Redactor -> JSON or text -> queue -> thread -> stdout

The Redactor comes last and sees everything. Whoever logs never waits: a reader that does not read costs lines, which
are counted, and not sound.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import select
import sys
import threading
import time
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, Final, Literal, Protocol, TextIO

import structlog

from bridge.call.ports import Secret
from bridge.redaction import Redactor
from bridge.throttle import Throttle

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "json", "pretty"]
Event = MutableMapping[str, Any]

MAX_QUEUED: Final = 10_000  # lines
BURST: Final = 20  # warnings of one kind from one source at once, and as many a minute afterwards
BURST_S: Final = 60.0
SOURCES: Final = ("peer", "call_id", "agent", "task")  # what tells one source of warnings from another
# Their own levels would print frames, statements and request bodies: speech and numbers.
QUIET: Final = (
    *("websockets", "picows", "aiohttp", "httpx", "httpcore", "urllib3", "twilio", "multipart"),
    *("sqlalchemy", "alembic", "asyncpg", "psycopg", "dbos"),
)
CHATTY: Final = ("uvicorn", "asyncio", "py.warnings")


class Stream(Protocol):
    """Where lines go."""

    def isatty(self) -> bool:
        """A person looks at it."""
        ...

    def write(self, text: str, /) -> object:
        """Write; may take as long as it likes."""
        ...

    def flush(self) -> None:
        """Hold nothing back."""
        ...


class Sink:
    """Lines on their way to a stream that may block. ``put`` never does."""

    def __init__(self, stream: Stream, *, limit: int = MAX_QUEUED) -> None:
        self.dropped = 0
        self._told = 0
        self._stream = stream
        self._limit = limit
        # Its put may be interrupted by a signal handler, or a finaliser, that logs: a Queue would wait for itself for ever.
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Queue a line; drop and count it where the reader is too far behind."""
        if self._lines.qsize() < self._limit:
            self._lines.put(line)
        else:
            self.dropped += 1

    def close(self, timeout: float) -> None:
        """Write what waits, for so many seconds at most."""
        self._lines.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            if self.dropped > self._told:
                lost, self._told = self.dropped - self._told, self.dropped
                self._write(json.dumps({"event": "log_lines_dropped", "level": "warning", "count": lost}))
            self._write(line)

    def _write(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # nobody reads any more, or it is closed
            self.dropped += 1


class Descriptor:
    """Standard output without Python's buffer: a writer that is stuck in a pipe nobody reads would hold the buffer's lock,
    and the interpreter aborts where it cannot take that lock at its end.
    """

    def __init__(self, stream: TextIO) -> None:
        self._number = stream.fileno()
        self._stream = stream

    def isatty(self) -> bool:
        """A person looks at it."""
        return self._stream.isatty()

    def write(self, text: str) -> None:
        """All of it, however long that takes. Raises OSError."""
        left = memoryview(text.encode(errors="backslashreplace"))
        while left:
            try:
                left = left[os.write(self._number, left) :]
            except BlockingIOError:  # whoever shares it with us has made it non-blocking
                select.select([], [self._number], [])

    def flush(self) -> None:
        """Nothing is kept back."""


def _standard_output() -> Stream:
    try:
        return Descriptor(sys.stdout)
    except OSError:  # it has been replaced by something that is no file
        return sys.stdout


class RateLimit:
    """Warnings and errors of one kind from one source, so often and no more; the next one tells how many were kept back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._each = Throttle(BURST, BURST_S, clock=clock)
        self._kind = Throttle(5 * BURST, BURST_S, clock=clock)  # of all sources together: addresses are cheap
        self._held: dict[str, int] = {}

    def __call__(self, logger: Any, method: str, event: Event) -> Event:
        """A processor of structlog."""
        if event.get("level") not in {"warning", "error", "critical"}:
            return event
        kind = f"{event.get('logger')} {event.pop('_kind', None) or event.get('event')}"[:200]
        source = kind + " " + " ".join(str(event[name])[:64] for name in SOURCES if name in event)
        if self._each.take(source) or self._kind.take(kind):
            if len(self._held) < 1000:
                self._held[kind] = self._held.get(kind, 0) + 1
            raise structlog.DropEvent
        if held := self._held.pop(kind, 0):
            event["suppressed"] = held
        return event


class Logging:
    """What ``configure`` set up. ``close`` puts everything back as it was."""

    def __init__(self, sink: Sink, redactor: Redactor, handler: logging.Handler, levels: dict[str, int]) -> None:
        self.redactor = redactor
        self._sink = sink
        self._handler = handler
        self._levels = levels

    @property
    def dropped(self) -> int:
        """Lines that nobody took."""
        return self._sink.dropped

    def close(self, timeout: float = 2.0) -> None:
        """Write what waits, then let go of structlog and logging."""
        logging.captureWarnings(False)
        root = logging.getLogger()
        root.removeHandler(self._handler)
        for name, level in self._levels.items():
            logging.getLogger(name or None).setLevel(level)
        structlog.reset_defaults()
        self._sink.close(timeout)


def configure(
    level: Level = "info",
    format: Format = "auto",  # noqa: A002 - as the configuration has it
    secrets: Iterable[Secret] = (),
    *,
    stream: Stream | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Logging:
    """Send every log line of this process through one pipeline to ``stream`` (standard output). Call ``close`` at the end."""
    stream = _standard_output() if stream is None else stream
    pretty = format == "pretty" or (format == "auto" and stream.isatty())
    sink, redactor = Sink(stream), Redactor(secrets)
    tail: list[Any] = [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        RateLimit(clock),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redactor,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback) if pretty else as_json,
    ]

    def named(logger: Any, method: str, event: Event) -> Event:
        event.setdefault("logger", logger.name)
        return event

    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, named, *tail],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *names: Line(str(names[0]) if names else "bridge", sink.put),
        cache_logger_on_first_use=False,
    )
    handler = Handler(tail, sink.put)
    root = logging.getLogger()
    levels = {name: logging.getLogger(name or None).level for name in ("", *QUIET, *CHATTY)}
    root.addHandler(handler)
    root.setLevel(threshold)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(threshold, logging.INFO))
    logging.captureWarnings(True)
    return Logging(sink, redactor, handler, levels)


class Line:
    """What structlog calls with a finished line."""

    def __init__(self, name: str, put: Callable[[str], None]) -> None:
        self.name = name
        self.msg = put
        self.debug = self.info = self.warning = self.warn = put
        self.error = self.critical = self.fatal = self.exception = self.log = put


class Handler(logging.Handler):
    """Takes what libraries log with the standard library into the same pipeline."""

    def __init__(self, tail: list[Any], put: Callable[[str], None]) -> None:
        super().__init__()
        self._tail = tail
        self._put = put

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: a line that cannot be made is dropped."""
        try:
            made: Any = {
                "event": record.getMessage(),
                "level": record.levelname.lower(),
                "logger": record.name,
                "_kind": str(record.msg)[:100],
            }
            if record.exc_info and record.exc_info[0] is not None:
                made["exc_info"] = record.exc_info
            for each in self._tail:
                made = each(None, record.levelname.lower(), made)
        except structlog.DropEvent:
            return
        except Exception:  # noqa: BLE001 - logging must not raise; its own traceback might hold the secret
            made = json.dumps({"event": "unloggable", "level": "error", "logger": record.name[:64]})
        self._put(made)


def as_json(logger: Any, method: str, event: Event) -> str:
    """One line; every character beyond ASCII is escaped, so that no terminal or log reader is led astray."""
    return json.dumps(event, default=str)
