"""The voice agents of the configuration."""

from bridge.call.ports import Secret
from bridge.settings.agents import DemoAgent, KuraAgent, XunaAgent


def test_who_does_not_tell_of_interruptions_is_listened_for() -> None:
    """The bridge's own ear is on for Kura, and left to the agent elsewhere."""
    kura = KuraAgent(assistant_id=1, api_key=(Secret("k"),), base_url="https://kura.example.com")
    assert kura.barge_in == "both"
    assert XunaAgent(agent_id="a").barge_in == DemoAgent().barge_in == "agent"


def test_no_key_shows_itself() -> None:
    """In no log that prints settings."""
    kura = KuraAgent(assistant_id=1, api_key=(Secret("kura-key"),), base_url="https://kura.example.com")
    xuna = XunaAgent(agent_id="a", api_key=Secret("xuna-key"), tools_key=(Secret("tools-key"),))
    assert not any(key in f"{kura} {xuna!r}" for key in ("kura-key", "xuna-key", "tools-key"))


def test_plain_connections_are_off() -> None:
    """The URL of a socket holds the key."""
    assert not XunaAgent(agent_id="a").allow_insecure
    assert XunaAgent(agent_id="a").base_url.startswith("https://")
