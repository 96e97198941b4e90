"""The file that keeps what could not be written."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.call.record import CallRecord, Turn
from bridge.store import spool
from bridge.store.document import restore, snapshot
from bridge.store.url import parse

Make = Callable[..., CallRecord]


def test_what_was_written_is_read_back(tmp_path: Path, make: Make) -> None:
    """Every record, line breaks and all, in its order; the folder is made."""
    path = tmp_path / "var" / "spool.jsonl"
    first, second = make("call_1"), make("call_2")
    first.add_turn(Turn("caller", "one\ntwo\u2028three \U0001f600", 5))
    spool.write(path, [snapshot(first), snapshot(second)])
    found, broken = spool.read(path)
    assert [restore(each.document) for each in found] == [first, second]
    assert broken == 0


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:////data/calls.db", "/data/calls.db.unwritten-8080"),
        ("sqlite:///var/calls.db", "var/calls.db.unwritten-8080"),
        ("postgresql://host/name", "var/callbridge.unwritten-8080"),
    ],
)
def test_it_lies_where_the_next_process_looks(url: str, expected: str) -> None:
    """Each process of a machine has its own, and so has its successor, which listens on the same port."""
    assert spool.place(parse(url), 8080) == Path(expected)


def test_nobody_else_may_read_it(tmp_path: Path, make: Make) -> None:
    """It holds what people said."""
    path = tmp_path / "spool.jsonl"
    spool.write(path, [snapshot(make())])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_is_replaced_as_a_whole(tmp_path: Path, make: Make) -> None:
    """A file that is half written is never found under its name, nor is anything left beside it."""
    path = tmp_path / "spool.jsonl"
    spool.write(path, [snapshot(make("call_1"))])

    def torn() -> object:
        yield snapshot(make("call_2"))
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        spool.write(path, torn())  # type: ignore[arg-type] - an iterable that fails
    assert [each.call_id for each in spool.read(path)[0]] == ["call_1"]
    spool.write(path, [snapshot(make("call_3"))])
    assert [each.call_id for each in spool.read(path)[0]] == ["call_3"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_broken_line_spoils_no_other(tmp_path: Path, make: Make) -> None:
    """Counted, as a power cut may leave it."""
    path = tmp_path / "spool.jsonl"
    spool.write(path, [snapshot(make("call_1")), snapshot(make("call_2"))])
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], b'{"call_id": "call_9"}', b"\xff\xfe", lines[1], lines[1][:40]]))
    found, broken = spool.read(path)
    assert [each.call_id for each in found] == ["call_1", "call_2"]
    assert broken == 3


def test_no_file_is_nothing(tmp_path: Path) -> None:
    """The first start finds none."""
    assert spool.read(tmp_path / "none") == ([], 0)
