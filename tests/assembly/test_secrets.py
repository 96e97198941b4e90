"""Secrets of a configuration."""

from pathlib import Path

from bridge.assembly.secrets import secrets_of
from bridge.settings import Settings
from tests.support.house import API_KEY, TOKEN, configuration


def test_every_secret_of_a_configuration_is_known(tmp_path: Path) -> None:
    """Tokens, keys of the API and of agents, tools' and events' secrets, and the database's password; no plain value."""
    agents = """[agents.support]
provider = "xuna"
agent_id = "agent_1"
api_key = "xi-key-0123456789"
tools_key = "tools-key-0123456789"
[agents.booking]
provider = "kura"
assistant_id = 1
api_key = ["kura_live_0123456789", "kura_live_9876543210"]
base_url = "https://kura.example.com"
[tools.book]
url = "https://crm.example.com/book"
secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
"""
    text = configuration(tmp_path, agents).split("\n", 3)
    (tmp_path / "bridge.toml").write_text(
        text[1] + '\ndatabase_url = "postgresql://bridge:hunter%2Ftwo@db/calls"\n' + text[3]
    )
    found = {each.reveal() for each in secrets_of(Settings.load(str(tmp_path / "bridge.toml"), {}))}
    assert found == {
        TOKEN,
        API_KEY,
        "xi-key-0123456789",
        "tools-key-0123456789",
        "kura_live_0123456789",
        "kura_live_9876543210",
        "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
        "hunter%2Ftwo",
        "hunter/two",
    }
