"""The pipeline of log lines."""

import io
import json
import logging
import os
import sys
import threading
import types
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from bridge import logs
from bridge.call.ports import Secret

KEY = "kura_live_9f8e7d6c5b4a39281706"


class Output(io.StringIO):
    """Standard output, kept."""

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Every line, parsed."""
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def output() -> Output:
    """Where the lines go."""
    return Output()


@pytest.fixture
def logging_(output: Output) -> Iterator[logs.Logging]:
    """Logging at DEBUG as JSON, with one secret."""
    made = logs.configure("debug", "json", [Secret(KEY)], stream=output)
    yield made
    made.close()


def test_lines_of_the_bridge_and_of_libraries_come_alike(logging_: logs.Logging, output: Output) -> None:
    """structlog and logging write the same JSON: time, level, logger, event."""
    structlog.get_logger("bridge.test").info("hello", call_id="call_1")
    logging.getLogger("uvicorn.error").warning("a %s", "library")
    logging_.close()
    ours, theirs = output.lines
    assert {"event": "hello", "level": "info", "logger": "bridge.test", "call_id": "call_1"}.items() <= ours.items()
    assert {"event": "a library", "level": "warning", "logger": "uvicorn.error"}.items() <= theirs.items()
    assert ours["timestamp"].endswith("Z")
    assert "_kind" not in theirs


def test_a_traceback_has_no_secret_and_no_locals(logging_: logs.Logging, output: Output) -> None:
    """An exception is logged with its traceback, from structlog and logging, without the values it met."""
    private = "what the caller said"

    def fail() -> None:
        speech = private
        raise ValueError(f"wss://host/?api_key={KEY} {len(speech)}")

    for log in (structlog.get_logger("bridge.test"), logging.getLogger("asyncio")):
        try:
            fail()
        except ValueError:
            log.exception("failed")
    logging_.close()
    assert len(output.lines) == 2
    for line in output.lines:
        assert "in fail" in line["exception"]
        assert "ValueError" in line["exception"]
    assert KEY[:12] not in output.getvalue()
    assert private not in output.getvalue()


def test_ten_thousand_bad_frames_make_a_hundred_lines_at_most(output: Output) -> None:
    """Warnings of one kind are limited for each source and in all; every line is JSON; what was kept back is told."""
    now = 0.0  # whatever time the machine takes for it
    made = logs.configure("debug", "json", stream=output, clock=lambda: now)
    log = structlog.get_logger("bridge.media")
    for number in range(10_000):
        log.warning("media_refused", why="x\r\n\x1b[0m", peer="192.0.2.1")
        logging.getLogger("uvicorn.error").warning("bad frame %d", number)
    for number in range(10_000):
        log.warning("bad_frame", peer=f"192.0.{number // 256}.{number % 256}")
    log.info("still here")
    now = logs.BURST_S
    log.warning("media_refused", why="x", peer="192.0.2.1")
    made.close()
    lines = output.lines
    assert sum(line["event"] == "media_refused" for line in lines) == logs.BURST + 1
    assert sum(line["event"].startswith("bad frame") for line in lines) == logs.BURST
    assert sum(line["event"] == "bad_frame" for line in lines) == 5 * logs.BURST == 100
    assert lines[-2]["event"] == "still here"
    assert lines[-1]["suppressed"] == 10_000 - logs.BURST


def test_nobody_waits_for_a_reader_that_does_not_read(logging_: logs.Logging) -> None:
    """A full pipe costs lines, which are counted and told, and no time."""
    logging_.close()
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream, os.fdopen(reader) as source:
        made = logs.configure("info", "json", stream=stream)
        log = structlog.get_logger("bridge.test")
        done = threading.Event()

        def chatter() -> None:
            for _ in range(13_000):
                log.info("much", text="x" * 100)
            done.set()

        threading.Thread(target=chatter, daemon=True).start()
        assert done.wait(30)
        assert made.dropped > 0
        found = threading.Event()

        def read() -> None:
            for line in source:
                if json.loads(line)["event"] == "log_lines_dropped":
                    found.set()

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        assert found.wait(30)
        made.close()
        stream.close()
        thread.join(10)


def test_libraries_that_would_print_what_was_said_are_kept_quiet(logging_: logs.Logging, output: Output) -> None:
    """At DEBUG, frames, statements and bodies of requests are not printed."""
    for name in ("websockets.client", "sqlalchemy.engine", "twilio.http_client", "aiohttp.client"):
        logging.getLogger(name).debug("the caller said: hello")
        logging.getLogger(name).info("the caller said: hello")
    structlog.get_logger("bridge.test").debug("seen")
    logging_.close()
    assert [line["event"] for line in output.lines] == ["seen"]


def test_a_line_that_cannot_be_made_harms_nobody(logging_: logs.Logging, output: Output) -> None:
    """A library's wrong format is reported as such, without a traceback on standard error."""
    handler = next(each for each in logging.getLogger().handlers if isinstance(each, logs.Handler))
    handler.handle(logging.LogRecord("uvicorn.error", logging.WARNING, "x.py", 1, "%d", ("x",), None))
    logging_.close()
    assert [line["event"] for line in output.lines] == ["unloggable"]


def test_warnings_of_python_are_lines_too(logging_: logs.Logging, output: Output) -> None:
    """``warnings.warn`` does not write past the pipeline."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    logging_.close()
    assert [line["logger"] for line in output.lines] == ["py.warnings"]


def test_the_level_holds_and_everything_is_put_back(output: Output) -> None:
    """Below the level nothing is written; after close the standard library is as it was."""
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    made = logs.configure("error", "pretty", stream=output)
    structlog.get_logger("bridge.test").warning("no")
    logging.getLogger("asyncio").warning("no")
    structlog.get_logger("bridge.test").error("yes")
    made.close()
    assert output.getvalue().count("\n") == 1
    assert "yes" in output.getvalue()
    assert (root.level, list(root.handlers)) == before


def test_a_signal_handler_may_log_while_a_line_is_logged() -> None:
    """Whoever is interrupted while logging, at any point, and logs again, waits for nobody."""
    output = io.StringIO()
    sink = logs.Sink(output)
    interruptions: list[str] = []

    def interrupt(frame: types.FrameType, event: str, argument: object) -> None:
        sys.setprofile(None)
        interruptions.append(event)
        sink.put("inner")
        sys.setprofile(interrupt)

    def write() -> None:
        sys.setprofile(interrupt)
        sink.put("outer")
        sys.setprofile(None)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    sink.close(5)
    assert len(interruptions) > 2
    assert sorted(output.getvalue().split()) == ["inner"] * len(interruptions) + ["outer"]
