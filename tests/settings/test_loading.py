"""Which file is read, what wins, and what the result is."""

import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.errors import ConfigurationError, Mistake
from bridge.settings import KuraAgent, Settings, XunaAgent

Load = Callable[..., Settings]
Mistakes = Callable[..., list[Mistake]]
DEMO = '[agents.demo]\nprovider = "demo"\n[server]\nport = {port}\n'


def test_which_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config wins over $BRIDGE_CONFIG, which wins over config/bridge.toml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    for port, name in ((1, "config/bridge.toml"), (2, "env.toml"), (3, "option.toml")):
        (tmp_path / name).write_text(DEMO.format(port=port))
    assert Settings.load(None, {}).server.port == 1
    assert Settings.load(None, {"BRIDGE_CONFIG": "env.toml"}).server.port == 2
    assert Settings.load("option.toml", {"BRIDGE_CONFIG": "env.toml"}).server.port == 3


def test_no_file_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without file and environment says where it looked; a command that only reads the database does not mind."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"config/bridge\.toml"):
        Settings.load(None, {"BRIDGE_CONFIG": ""})
    assert Settings.load(None, {}, serving=False).database_url.reveal() == "sqlite:///var/callbridge.db"
    with pytest.raises(ConfigurationError, match="absent"):
        Settings.load(None, {"BRIDGE_CONFIG": "absent.toml", "BRIDGE_MAX_CALLS": "1"})


def test_what_wins(load: Load) -> None:
    """The command line over BRIDGE_SERVER__PORT over $PORT over the file; an option that was not given counts nothing."""
    text = DEMO.format(port=1)
    environ = {"PORT": "2"}
    assert load(text, environ).server.port == 2
    environ["BRIDGE_SERVER__PORT"] = "3"
    assert load(text, environ).server.port == 3
    assert load(text, environ, overrides={"server.port": 4, "server.host": None}).server.port == 4


def test_agents_take_what_stands_at_the_top(load: Load, good: str) -> None:
    """An agent's own key wins over the file's, which wins over what suits the provider."""
    plain = load(good)
    assert (plain.agents["support"].barge_in, plain.agents["booking"].barge_in) == ("agent", "both")
    top = load('barge_in = "off"\nuplink_chunk_ms = 60\nstart_timeout_s = 2\n' + good)
    assert {agent.barge_in for agent in top.agents.values()} == {"off"}
    assert {(agent.uplink_chunk_ms, agent.start_timeout_s) for agent in top.agents.values()} == {(60, 2.0)}
    own = load('barge_in = "off"\n' + good, {"BRIDGE_AGENTS__BOOKING__BARGE_IN": "local"})
    assert own.agents["booking"].barge_in == "local"


def test_the_dialect_knows_its_host(load: Load, good: str) -> None:
    """ElevenLabs' agents are looked for there unless base_url says otherwise."""
    text = good.replace('agent_id = "agent_1"', 'agent_id = "agent_1"\ndialect = "elevenlabs"')
    agent = load(text).agents["support"]
    assert isinstance(agent, XunaAgent)
    assert agent.base_url == "https://api.elevenlabs.io"


def test_addresses_lose_their_last_slash(load: Load, good: str) -> None:
    """A path is kept, the slash at its end is not, so that routes can be appended."""
    settings = load(
        good.replace("bridge.example.com", "bridge.example.com/base/").replace("kura.example.com", "kura.example.com/")
    )
    agent = settings.agents["booking"]
    assert isinstance(agent, KuraAgent)
    assert (settings.public_url, agent.base_url) == ("https://bridge.example.com/base", "https://kura.example.com")


def test_settings_cannot_be_changed(load: Load, good: str) -> None:
    """What was read stays as it was read."""
    loaded = load(good)
    with pytest.raises(dataclasses.FrozenInstanceError):
        loaded.max_calls = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        loaded.agents["x"] = loaded.agents["demo"]  # type: ignore[index]


def test_lines_are_found_by_number(load: Load, good: str) -> None:
    """The number's own line, else the one for any other, else none."""
    loaded = load(good)
    assert loaded.line_for("+15550100") is loaded.lines[0]
    assert loaded.line_for("+15550101") is None
    other = load(good + '[[lines]]\nnumber = "*"\nagent = "demo"\n')
    assert other.line_for("+15550101") is other.lines[1]
    assert other.line_for("+15550100") is other.lines[0]


def test_a_file_with_secrets_that_everybody_may_read(tmp_path: Path, good: str) -> None:
    """It starts, with a warning that names the keys; not where the secrets are elsewhere, or the file is closed."""
    file = tmp_path / "bridge.toml"
    file.write_text(good)
    file.chmod(0o644)
    (warning,) = Settings.load(str(file), {}).warnings
    assert "agents.support.api_key" in warning
    assert "xk-74c1b2" not in warning
    file.chmod(0o640)
    assert Settings.load(str(file), {}).warnings == ()


CANARIES = ("CANARY-1f9c-canary", "sk-CANARY:77@x/y?z", "CANARY\nline")
KEYS = st.sampled_from(
    [
        *(
            "public_url",
            "media_url",
            "database_url",
            "agents",
            "lines",
            "api",
            "keys",
            "tools",
            "url",
            "secret",
            "transfers",
        ),
        *(
            "carriers",
            "twilio",
            "account_sid",
            "auth_token",
            "provider",
            "api_key",
            "agent_id",
            "base_url",
            "metadata",
            "x",
        ),
        *(
            "support",
            "number",
            "agent",
            "fallback",
            "hours",
            "zone",
            "open",
            "holidays",
            "schema",
            "server",
            "port",
            "chat",
        ),
        *("headers", "jwt", "events", "outbound", "allowed_prefixes", "first_message", "dynamic_variables", "language"),
    ]
)
LEAVES = st.one_of(
    st.sampled_from(
        [
            *CANARIES,
            "xuna",
            "kura",
            "demo",
            "support",
            "+15550100",
            "*",
            "${SET}",
            "${UNSET}",
            "https://a.example/CANARY",
        ]
    ),
    st.text(max_size=8),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.dates(),
    st.datetimes(),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=25,
)


def toml(value: Any) -> str:
    """A value in TOML."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return '"' + "".join(f"\\U{ord(letter):08x}" for letter in value) + '"'
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + "}"
        case float():
            return repr(value) if "e" not in repr(value) and "." in repr(value) else str(value)
        case _:
            return value.isoformat() if hasattr(value, "isoformat") else str(value)


VARIABLES = st.sampled_from(
    [
        *("BRIDGE_API__KEYS", "BRIDGE_AGENTS", "BRIDGE_LINES", "BRIDGE_TOOLS__X__SECRET"),
        *("BRIDGE_AGENTS__SUPPORT__API_KEY", "PORT"),
    ]
)
TEXTS = st.one_of(
    st.sampled_from(
        ["{", "[", '["CANARY-1f9c"]', '{"x": "CANARY"}', "[[[]]]", '{"a": {"provider": "xuna"}}', "CANARY-1"]
    ),
    st.text(max_size=6),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=st.dictionaries(KEYS, VALUES, max_size=8), environ=st.dictionaries(VARIABLES, TEXTS, max_size=3))
def test_nothing_but_mistakes_comes_of_any_file(
    load: Load, tree: Mapping[str, Any], environ: Mapping[str, str]
) -> None:
    """Any TOML and any environment is taken or refused with mistakes, and no value shows up in them."""
    text = "".join(f"{key} = {toml(value)}\n" for key, value in tree.items())
    tomllib.loads(text)
    told = ""
    try:
        load(text, {**environ, "SET": "CANARY-2e"})
    except ConfigurationError as error:
        told = str(error)
    assert "CANARY" not in told
    assert all(line.isprintable() for line in told.split("\n"))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60))
def test_nothing_but_mistakes_comes_of_any_text(load: Load, text: str) -> None:
    """Text that is hardly ever TOML is refused with mistakes."""
    with pytest.raises(ConfigurationError):
        load(text.encode("utf-8", "replace").decode())


def test_secrets_never_show(load: Load, mistakes: Mistakes, good: str) -> None:
    """Neither what was read nor what is complained of holds a secret or a URL that may carry one."""
    text = (
        good.replace("0f1e2d3c4b5a69788796a5b4c3d2e1f0", "canary-token")
        .replace("xk-74c1b2", "canary-key")
        .replace('"kura_live_5f0e9d"', '["canary-a1", "canary-b2"]')
        .replace("[carriers", 'database_url = "postgresql://u:canary@h/db"\n[carriers')
        + '[tools.crm]\nurl = "https://crm.example.com/canary"\n[api]\nkeys = ["canary-0123456789abcdef"]\n'
    )
    loaded = load(text)
    assert "canary" not in repr(loaded)
    assert "canary" not in str(loaded.api)
    wrong = (
        text.replace('"canary-token"', '"canary-token "')
        .replace('"canary-key"', '["canary-key"]')
        .replace('"https://crm', '"canary://crm')
        .replace("0123456789abcdef", "")
    )
    assert "canary" not in "".join(map(str, mistakes(wrong)))
