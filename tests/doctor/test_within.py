"""What the bridge stands on, as the doctor finds it: a finding for each state, with its remedy. (Agents: test_checkup.)"""

import shutil
import sqlite3
from collections import namedtuple
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from bridge import settings as config
from bridge.doctor import within
from bridge.doctor.findings import Finding
from bridge.settings import Settings
from bridge.store.database import Database

Usage = namedtuple("Usage", "total used free")


async def found(findings: AsyncIterator[Finding]) -> list[Finding]:
    """All of them."""
    return [each async for each in findings]


def at(path: Path, **more: object) -> Settings:
    """With a database there."""
    return Settings(database_url=f"sqlite:///{path}", **more)  # type: ignore[arg-type]


def line(mode: str, announcement: str = "") -> config.Line:
    """A line whose calls are recorded so."""
    recording = config.LineRecording(mode=mode, announcement=announcement)  # type: ignore[arg-type]
    return config.Line(number="*", agent="demo", recording=recording)


async def test_a_database_that_is_not_there_yet_is_no_fault(tmp_path: Path) -> None:
    """The server makes it; the doctor does not."""
    (finding,) = await found(within.database(at(tmp_path / "new" / "calls.db")))
    assert (finding.level, "will make it" in finding.what) == ("ok", True)
    assert not (tmp_path / "new").exists()


async def test_a_database_that_answers_is_told_with_its_time(tmp_path: Path) -> None:
    """And that its tables fit."""
    store = Database(f"sqlite:///{tmp_path}/calls.db")
    await store.migrate()
    await store.close()
    answers, tables = await found(within.database(at(tmp_path / "calls.db")))
    assert (answers.level, tables.level) == ("ok", "ok")
    assert "answers in" in answers.what
    assert "up to date" in tables.what


async def test_older_tables_are_brought_up_to_date_by_the_server(tmp_path: Path) -> None:
    """The doctor changes nothing."""
    file = tmp_path / "calls.db"
    with closing(sqlite3.connect(file)) as empty:
        empty.execute("CREATE TABLE other (id INTEGER)")
    _, tables = await found(within.database(at(file)))
    assert (tables.level, "are older" in tables.what) == ("ok", True)
    with closing(sqlite3.connect(file)) as same:
        assert [name for (name,) in same.execute("SELECT name FROM sqlite_master WHERE type = 'table'")] == ["other"]


async def test_tables_of_a_newer_release_are_a_fault(tmp_path: Path) -> None:
    """The server would not start on them."""
    store = Database(f"sqlite:///{tmp_path}/calls.db")
    await store.migrate()
    await store.close()
    with closing(sqlite3.connect(tmp_path / "calls.db")) as later, later:
        later.execute("UPDATE callbridge_version SET version_num = 'later'")
    (finding,) = await found(within.database(at(tmp_path / "calls.db")))
    assert finding.level == "FAIL"
    assert finding.remedy


async def test_a_file_that_is_no_database_is_a_fault(tmp_path: Path) -> None:
    """With its address and what to look at."""
    (tmp_path / "calls.db").write_bytes(b"this is no database at all" * 100)
    (finding,) = await found(within.database(at(tmp_path / "calls.db")))
    assert (finding.level, "calls.db" in finding.what) == ("FAIL", True)
    assert finding.remedy


async def test_a_server_that_is_not_there_is_a_fault_that_tells_no_password() -> None:
    """Whoever reads the line over somebody's shoulder gets no secret."""
    made = Settings(database_url="postgresql://bridge:s3cret-word@127.0.0.1:9/calls")
    (finding,) = await found(within.database(made))
    assert (finding.level, "127.0.0.1:9" in finding.what) == ("FAIL", True)
    assert "s3cret" not in str(finding)


async def test_a_slow_database_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Webhooks wait for it."""
    store = Database(f"sqlite:///{tmp_path}/calls.db")
    await store.migrate()
    await store.close()

    async def slow(_: Database) -> float:
        return 0.6

    monkeypatch.setattr(Database, "ping", slow)
    answers, _ = await found(within.database(at(tmp_path / "calls.db")))
    assert (answers.level, "600 ms" in answers.what) == ("warn", True)


@pytest.mark.parametrize(("free", "level"), [(5.0, "ok"), (0.9, "warn"), (0.05, "FAIL")])
async def test_room_on_the_disk_is_judged(
    free: float, level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under a gibibyte somebody should look; under a tenth of one calls will suffer."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, int(free * within.GIB)))
    (finding,) = await found(within.disk(at(tmp_path / "calls.db")))
    assert finding.level == level
    assert bool(finding.remedy) == (level != "ok")


async def test_the_disk_of_recordings_is_looked_at_where_the_bridge_makes_them(tmp_path: Path) -> None:
    """Its folder need not be there yet; the carrier's recordings are not ours to keep."""
    folder = tmp_path / "not" / "there"
    recording = config.RecordingSettings(folder=str(folder))
    ours = await found(within.disk(at(tmp_path / "calls.db", lines=(line("bridge"),), recording=recording)))
    assert [str(folder) in each.what for each in ours] == [False, True]
    theirs = await found(within.disk(at(tmp_path / "calls.db", lines=(line("carrier"),), recording=recording)))
    assert len(theirs) == 1


async def test_a_database_elsewhere_needs_no_room_here() -> None:
    """There is nothing to look at."""
    assert await found(within.disk(Settings(database_url="postgresql://bridge@db.example.com/calls"))) == []


@pytest.mark.parametrize(("speaks", "level"), [(True, "ok"), (False, "FAIL")])
async def test_an_announcement_must_be_spoken(speaks: bool, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller who is recorded without being told so is a fault, not a blemish."""
    monkeypatch.setattr(within, "speaks", lambda: speaks)
    (finding,) = await found(within.announcements(Settings(lines=(line("bridge", "You are recorded."),))))
    assert finding.level == level


@pytest.mark.parametrize("mode", ["off", "bridge"])
async def test_where_nothing_is_announced_nothing_is_found(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words for a line that is not recorded are never said."""
    monkeypatch.setattr(within, "speaks", lambda: False)
    words = "You are recorded." if mode == "off" else ""
    assert await found(within.announcements(Settings(lines=(line(mode, words),)))) == []


@pytest.mark.parametrize(("speaks", "level"), [(True, "ok"), (False, "warn")])
async def test_the_built_in_agent_without_a_voice_is_warned_of(
    speaks: bool, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers all the same."""
    monkeypatch.setattr(within, "speaks", lambda: speaks)
    (finding,) = await found(within.agent("demo", config.DemoAgent()))
    assert (finding.level, finding.subject) == (level, "agent demo")
