"""What the tests of the configuration share: a file that is right, and a way to load a text."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import ConfigurationError, Mistake
from bridge.settings import Settings

GOOD = """
public_url = "https://bridge.example.com"

[carriers.twilio]
account_sid = "AC0123456789abcdef0123456789abcdef"
auth_token = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"

[agents.support]
provider = "xuna"
agent_id = "agent_1"
api_key = "xk-74c1b2"

[agents.booking]
provider = "kura"
assistant_id = 1
api_key = "kura_live_5f0e9d"
base_url = "https://kura.example.com"

[agents.demo]
provider = "demo"

[[lines]]
number = "+15550100"
agent = "support"
"""

Load = Callable[..., Settings]
Mistakes = Callable[..., list[Mistake]]


@pytest.fixture
def good() -> str:
    """A configuration without mistakes, to which a test adds its own."""
    return GOOD


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a text as a configuration file."""

    def run(text: str, environ: Mapping[str, str] | None = None, **rest: Any) -> Settings:
        file = tmp_path / "bridge.toml"
        file.write_bytes(text.encode())
        file.chmod(0o600)
        return Settings.load(str(file), environ or {}, **rest)

    return run


@pytest.fixture
def mistakes(load: Load) -> Mistakes:
    """The mistakes of a text, which must have some."""

    def run(text: str, environ: Mapping[str, str] | None = None, **rest: Any) -> list[Mistake]:
        with pytest.raises(ConfigurationError) as caught:
            load(text, environ, **rest)
        assert caught.value.mistakes
        for mistake in caught.value.mistakes:
            assert mistake.where
            assert mistake.key
            assert mistake.problem
            assert mistake.remedy
        return caught.value.mistakes

    return run
