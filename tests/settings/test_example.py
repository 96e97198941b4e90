"""config/bridge.example.toml and config/demo.toml."""

import re
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.settings import DemoAgent, Settings
from bridge.settings.shapes import Kind, describe, keys

CONFIG = Path(__file__).parents[2] / "config"
EXAMPLE = (CONFIG / "bridge.example.toml").read_text()
ENVIRON = types.MappingProxyType(
    {
        "TWILIO_ACCOUNT_SID": "AC0123456789abcdef0123456789abcdef",
        "TWILIO_AUTH_TOKEN": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        "XUNA_AI_API_KEY": "xk-74c1b2",
        "KURA_API_KEY": "kura_live_5f0e9d",
        "BRIDGE_API_KEY": "0123456789abcdef-operator",
        "SUPPORT_TOOLS_KEY": "tk-90aa1",
        "CRM_WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
        "CRM_KEY": "crm-13",
    }
)


def switched_on(text: str) -> str:
    """The example with every key in force. Where a key is there twice, the one that was switched off counts."""
    text = re.sub(r"(?m)^#(?=[a-z\[])", "", text)
    return re.sub(r'(?m)^keys = \["\$\{BRIDGE_API_KEY\}"\].*\n', "", text)


def absent(annotation: Any, values: list[Any], path: str = "") -> Iterator[str]:
    """Keys of the model that stand in none of these values."""
    shape = describe(annotation)
    if shape.kind is Kind.MAPPING and describe(shape.item).kind in {Kind.TABLE, Kind.TAGGED}:
        below = [item for value in values for item in value.values()]
        yield from absent(shape.item, below, f"{path}.*") if below else [path]
    elif shape.kind is Kind.LIST and describe(shape.item).kind is Kind.TABLE:
        below = [item for value in values for item in value]
        yield from absent(shape.item, below, f"{path}[]") if below else [path]
    elif shape.kind is Kind.TAGGED:
        assert shape.tagged is not None
        for choice, table in shape.tagged.choices.items():
            # what all agents have need only be shown for one of them
            own = [value for value in values if value["provider"] == choice] + [values[0]]
            yield from absent(table, own, f"{path}({choice})")
    elif shape.kind is Kind.TABLE:
        assert shape.table is not None
        tables = [value for value in values if isinstance(value, dict)]
        for key, inner in keys(shape.table).items():
            held = [table[key] for table in tables if key in table]
            yield from absent(inner, held, f"{path}.{key}") if held else [f"{path}.{key}"]


def test_the_example_shows_every_key() -> None:
    """Whoever reads the example has seen every key that can be set."""
    assert [*absent(Settings, [tomllib.loads(switched_on(EXAMPLE))])] == []


def test_a_key_that_the_example_lacks_is_noticed() -> None:
    """The test above can fail: a key taken out of the example is named."""
    tree = tomllib.loads(switched_on(EXAMPLE).replace("ring_timeout_s", "#"))
    assert [*absent(Settings, [tree])] == [".outbound.ring_timeout_s"]


def test_every_key_of_the_example_is_explained_on_its_line() -> None:
    """No key stands there without a comment."""
    bare = [line for line in EXAMPLE.splitlines() if re.match(r"#?[a-z_]+ = ", line) and " # " not in line]
    assert bare == []


@pytest.mark.parametrize("text", [EXAMPLE, switched_on(EXAMPLE)], ids=["as it is", "everything switched on"])
def test_the_example_loads(text: str, tmp_path: Path) -> None:
    """The example is without mistakes once the environment has its secrets, whatever is switched on in it."""
    (tmp_path / "bridge.toml").write_text(text)
    settings = Settings.load(str(tmp_path / "bridge.toml"), ENVIRON)
    assert set(settings.agents) == {"support", "booking", "demo"}
    assert settings.warnings == ()


def test_the_example_shows_the_defaults() -> None:
    """What the example does not call an example is the default: tables of defaults load as if they were not there."""
    tables = ("server", "limits", "chat", "recording", "prompts", "logging", "metrics")
    settings = Settings.load(str(CONFIG / "bridge.example.toml"), ENVIRON)
    assert {name: getattr(settings, name) for name in tables} == {name: getattr(Settings(), name) for name in tables}


def test_the_demo_needs_nothing() -> None:
    """The demo's configuration loads with an empty environment."""
    settings = Settings.load(str(CONFIG / "demo.toml"), {})
    line = settings.line_for("+15550100")
    assert line is not None
    assert isinstance(settings.agents[line.agent], DemoAgent)
