"""Business systems, put together from the configuration."""

import pytest

from bridge import settings as config
from bridge.assembly.business import argument_rules, own_secrets
from bridge.call.ports import Secret
from bridge.errors import ConfigurationError
from bridge.settings import Settings
from bridge.settings.services import EventEndpoint, Tool


def test_no_answer_may_bring_back_any_secret_of_ours() -> None:
    """Those of agents, of events and of the database as well."""
    agent = config.KuraAgent(
        assistant_id=1,
        api_key=(Secret("kura_live_0001"),),
        base_url="http://127.0.0.1:9",
        tools_key=(Secret("tk-000001"),),
    )
    event = EventEndpoint(url="https://a.example.com", secret=(Secret("whsec_b"),))
    found = own_secrets(
        Settings(database_url=Secret("postgresql://me:pw@h/d"), agents={"a": agent}, events={"crm": event})
    )
    assert set(found) == {"kura_live_0001", "tk-000001", "whsec_b", "postgresql://me:pw@h/d"}


def test_every_bad_schema_is_told() -> None:
    """With its key."""
    tools = {name: Tool(url="https://a.example.com", schema={"type": "nonsense"}) for name in ("book", "find")}
    with pytest.raises(ConfigurationError) as bad:
        argument_rules(Settings(tools=tools))
    assert [mistake.key for mistake in bad.value.mistakes] == ["tools.book.schema", "tools.find.schema"]
