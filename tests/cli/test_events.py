"""bridge/cli/events.py."""

import asyncio
import json
from pathlib import Path

import pytest

from bridge.cli import main
from bridge.store.database import Database
from bridge.store.outbox import Letter, Outbox


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A deployment with one message that waits and one that was given up."""
    url = f"sqlite:///{tmp_path}/calls.db"

    async def fill() -> None:
        database = Database(url)
        await database.migrate()
        outbox = Outbox(database)
        await outbox.put([Letter("event:crm", f"evt_{n}", "{}", lane=f"call_{n}", kind="call.ended") for n in (1, 2)])
        await outbox.bury("evt_2", error="server_error")
        await database.close()

    asyncio.run(fill())
    file = tmp_path / "bridge.toml"
    file.write_text(f'database_url = "{url}"\n')
    return str(file)


def test_dead_letters_are_listed_and_sent_again(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With why they were given up; afterwards they wait like all others."""
    assert main(["events", "list", "--dead", "--json", "--config", config]) == 0
    [dead] = json.loads(capsys.readouterr().out)["messages"]
    assert (dead["id"], dead["type"], dead["error"]) == ("evt_2", "call.ended", "server_error")
    assert main(["events", "resend", "evt_2", "--config", config]) == 0
    assert main(["events", "resend", "evt_2", "--config", config]) == 1
    capsys.readouterr()
    assert main(["events", "list", "--config", config]) == 0
    assert capsys.readouterr().out.count("waiting") == 2


def test_resend_must_be_told_what(config: str) -> None:
    """Neither nothing nor everything by accident."""
    assert main(["events", "resend", "--config", config]) == 2
    assert main(["events", "resend", "evt_2", "--all", "--config", config]) == 2
