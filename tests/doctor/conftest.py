"""A deployment to be examined: a bridge, its carrier and its agents, all on loopback."""

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bridge.doctor import checkup
from bridge.doctor.findings import Finding
from bridge.settings import Settings
from tests.standins.kura import Kura
from tests.standins.twilio import Carrier, TwilioRest
from tests.standins.xuna import Xuna
from tests.support.house import ACCOUNT, TOKEN


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Deployment:
    """Everything that a configuration names. ``text`` may be changed before it is examined."""

    folder: Path
    rest: TwilioRest
    xuna: Xuna
    kura: Kura
    port: int = field(default_factory=free_port)
    token: str = TOKEN

    @property
    def url(self) -> str:
        """What the carrier is told."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def text(self) -> str:
        """The configuration."""
        (key,) = self.kura.keys
        return f"""
public_url = "{self.url}"
database_url = "sqlite:///{self.folder}/calls.db"
[carriers.twilio]
account_sid = "{ACCOUNT}"
auth_token = "{self.token}"
api_base_url = "{self.rest.url}"
timeout_s = 2
[agents.support]
provider = "xuna"
agent_id = "agent_1"
api_key = "{self.xuna.api_key}"
base_url = "{self.xuna.url}"
[agents.booking]
provider = "kura"
assistant_id = 1
api_key = "{key}"
base_url = "{self.kura.url}"
[agents.demo]
provider = "demo"
[[lines]]
number = "+15550100"
agent = "support"
"""

    def settings(self, text: str | None = None) -> Settings:
        """It, loaded."""
        file = self.folder / "examined.toml"
        file.write_text(self.text if text is None else text)
        file.chmod(0o600)
        return Settings.load(str(file), {})

    async def examine(self, text: str | None = None, **options: object) -> list[Finding]:
        """What the doctor says."""
        return await checkup.checkup(self.settings(text), **options)  # type: ignore[arg-type]


@pytest.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[Deployment]:
    """A carrier and two agents; whether the bridge runs is the test's own affair."""
    carrier = Carrier(public_url="https://elsewhere.example.com")
    async with carrier, TwilioRest(carrier) as rest, Xuna() as xuna, Kura() as kura:
        yield Deployment(tmp_path, rest, xuna, kura)
