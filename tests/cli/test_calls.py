"""``callbridge calls``."""

import asyncio
import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.assembly import agents
from bridge.call.record import CallRecord, Direction, Status, Turn
from bridge.cli import main
from bridge.errors import Reason
from bridge.store.calls import Calls
from bridge.store.database import Database

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
Run = Callable[..., tuple[int, str, str]]


def record(number: int, *, over: bool = True, **values: Any) -> CallRecord:
    """A call, a minute newer than the one of the number before."""
    at = START + timedelta(minutes=number)
    given = {"carrier_call_id": f"CA{number}", "agent_conversation_id": f"conv_{number}", "started_at": at} | values
    made = CallRecord(f"call_{number}", Direction.INBOUND, "+15550123456", "+15550100", "+15550100", "support", at)
    for name, value in given.items():
        setattr(made, name, value)
    made.add_turn(Turn("caller", "Hello?", 100))
    if over:
        made.finish(Reason.CALLER_HANGUP, at + timedelta(seconds=30))
    else:
        made.advance(Status.IN_PROGRESS)
    return made


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command on a database with two calls that ended and, the newest, one that is live."""
    url = f"sqlite:///{tmp_path}/calls.db"

    async def fill() -> None:
        database = Database(url)
        await database.migrate()
        for each in (record(1), record(2, agent="=cmd()"), record(3, over=False)):
            await Calls(database).save(each)
        await database.close()

    asyncio.run(fill())
    file = tmp_path / "bridge.toml"
    file.write_text(f'database_url = "{url}"\n')

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["calls", *arguments, "--config", str(file)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_the_newest_calls_are_listed_first(run: Run) -> None:
    """A line each, as many as are wanted, or as JSON."""
    code, out, _ = run("list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["call_3", "call_2", "call_1"]
    _, out, _ = run("list", "--limit", "1", "--json")
    assert [each["call_id"] for each in json.loads(out)["calls"]] == ["call_3"]


def test_a_list_is_narrowed(run: Run) -> None:
    """By status, direction and agent; none is no error."""
    assert [line.split()[0] for line in run("list", "--status", "in_progress")[1].splitlines()] == ["call_3"]
    assert len(run("list", "--agent", "support")[1].splitlines()) == 2
    assert run("list", "--direction", "outbound")[:2] == (0, "no calls\n")


def test_one_call_is_shown_by_either_id(run: Run) -> None:
    """With its outcome and what was said."""
    for any_id in ("call_1", "CA1"):
        code, out, _ = run("show", any_id)
        assert code == 0
        assert "caller_hangup (caller, success)" in out
        assert "Hello?" in out
    assert json.loads(run("show", "call_1", "--json")[1])["call_id"] == "call_1"


@pytest.mark.parametrize("verb", ["show", "delete", "diagnose"])
def test_a_call_that_is_not_there_is_said_to_be_missing(run: Run, verb: str) -> None:
    """Exit code 1, and nothing for a script to take for an answer."""
    code, out, err = run(verb, "call_9")
    assert (code, out) == (1, "")
    assert "call_9" in err


def test_everything_can_be_exported(run: Run) -> None:
    """JSON lines hold whole records; a cell of the CSV is never a formula."""
    lines = [json.loads(line) for line in run("export")[1].splitlines()]
    assert [each["call_id"] for each in lines] == ["call_3", "call_2", "call_1"]
    rows = list(csv.DictReader(io.StringIO(run("export", "--format", "csv")[1], newline="")))
    assert [each["agent"] for each in rows] == ["support", "'=cmd()", "support"]
    assert rows[2]["reason"] == "caller_hangup"
    assert (rows[2]["from"], rows[2]["turns"], rows[2]["duration_s"]) == ("'+15550123456", "1", "30.0")


def test_a_deleted_call_is_gone(run: Run) -> None:
    """And only that one."""
    assert run("delete", "call_1")[:2] == (0, "deleted\n")
    assert run("delete", "call_1")[0] == 1
    assert len(run("list")[1].splitlines()) == 2


def test_a_live_call_is_not_deleted_neither_here_nor_at_the_agent(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent is not told to forget a conversation that goes on; of one that is over it is."""
    forgotten: list[str | None] = []

    async def forget(_settings: Any, found: CallRecord) -> str:
        forgotten.append(found.agent_conversation_id)
        return "forgotten"

    monkeypatch.setattr(agents, "forget_conversation", forget)
    code, _, err = run("delete", "call_3", "--agent-too")
    assert (code, forgotten) == (1, [])
    assert "live" in err
    assert run("delete", "call_1", "--agent-too")[:2] == (0, "forgotten\ndeleted\n")
    assert forgotten == ["conv_1"]


def test_what_was_not_kept_cannot_be_diagnosed(run: Run) -> None:
    """With the setting that keeps it."""
    code, _, err = run("diagnose", "call_1")
    assert code == 1
    assert "record_hops" in err


@pytest.mark.parametrize("arguments", [[], ["list", "--limit", "0"], ["list", "--status", "x"], ["show"]])
def test_a_wrong_use_is_told_as_such(arguments: list[str]) -> None:
    """Exit code 2."""
    with pytest.raises(SystemExit) as caught:
        main(["calls", *arguments])
    assert caught.value.code == 2
