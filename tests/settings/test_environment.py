"""BRIDGE_SECTION__KEY."""

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import Mistake
from bridge.settings import KuraAgent, Settings, XunaAgent
from bridge.settings.environment import collector

Load = Callable[..., Settings]
Mistakes = Callable[..., list[Mistake]]


@pytest.mark.parametrize(
    ("variable", "text", "read", "value"),
    [
        ("BRIDGE_SERVER__PORT", "9000", lambda s: s.server.port, 9000),
        ("bridge_server__port", " 9000 ", lambda s: s.server.port, 9000),
        ("BRIDGE_MAX_CALLS", "7", lambda s: s.max_calls, 7),
        ("BRIDGE_RECORD_HOPS", "true", lambda s: s.record_hops, True),
        ("BRIDGE_SERVER__WORKER", "0", lambda s: s.server.worker, False),
        ("BRIDGE_DRAIN_TIMEOUT_S", "2.5", lambda s: s.drain_timeout_s, 2.5),
        ("BRIDGE_UPLINK_CHUNK_MS", "40", lambda s: s.uplink_chunk_ms, 40),
        ("BRIDGE_OUTBOUND__ALLOWED_PREFIXES", "+1, +44", lambda s: s.outbound.allowed_prefixes, ("+1", "+44")),
        ("BRIDGE_OUTBOUND__ALLOWED_PREFIXES", '["+1", "+44"]', lambda s: s.outbound.allowed_prefixes, ("+1", "+44")),
        ("BRIDGE_TRANSFERS__FRONT_DESK", "+15550777", lambda s: s.transfers["front_desk"].number, "+15550777"),
        ("BRIDGE_LINES__0__AGENT", "demo", lambda s: s.lines[0].agent, "demo"),
        ("BRIDGE_LINES__1", '{"number": "*", "agent": "demo"}', lambda s: s.lines[1].agent, "demo"),
        ("BRIDGE_LINES", '[{"number": "*", "agent": "demo"}]', lambda s: [line.number for line in s.lines], ["*"]),
        ("BRIDGE_LINES__0__RECORDING", "bridge", lambda s: s.lines[0].recording.mode, "bridge"),
        ("BRIDGE_LINES__0__FALLBACK__SAY", "No.", lambda s: s.lines[0].fallback.say, "No."),
        (
            "BRIDGE_AGENTS__SUPPORT__DYNAMIC_VARIABLES__PLAN",
            "007",
            lambda s: s.agents["support"].dynamic_variables["plan"],
            "007",
        ),
        ("BRIDGE_AGENTS__BOOKING__METADATA", '{"a": [1, null]}', None, None),
        (
            "BRIDGE_AGENTS__BOOKING__METADATA",
            '{"a": [1, "b"]}',
            lambda s: s.agents["booking"].metadata,
            {"a": [1, "b"]},
        ),
        (
            "BRIDGE_AGENTS__SUPPORT__PROMPT",
            "Say ${THIS} literally",
            lambda s: s.agents["support"].prompt,
            "Say ${THIS} literally",
        ),
        ("BRIDGE_API", '{"keys": "0123456789abcdef"}', lambda s: s.api.keys[0].role, "operator"),
    ],
)
def test_values_are_read_as_what_is_wanted(
    load: Load,
    mistakes: Mistakes,
    good: str,
    variable: str,
    text: str,
    read: Callable[[Settings], Any] | None,
    value: Any,
) -> None:
    """Numbers, booleans, lists and tables are read from text as their key wants them; nothing in them is interpolated."""
    if read is None:
        mistakes(good, {variable: text})
    else:
        assert read(load(good, {variable: text})) == value


def test_agents_are_addressed_with_dashes_and_capitals(load: Load, good: str) -> None:
    """- is written _, and case does not count; the name stays as the file has it."""
    text = good.replace("agents.support", "agents.Front-Desk").replace('"support"', '"Front-Desk"')
    settings = load(text, {"BRIDGE_AGENTS__FRONT_DESK__AGENT_ID": "agent_2"})
    agent = settings.agents["Front-Desk"]
    assert isinstance(agent, XunaAgent)
    assert agent.agent_id == "agent_2"
    assert set(settings.agents) == {"Front-Desk", "booking", "demo"}


def test_a_name_that_could_mean_two_agents(mistakes: Mistakes, good: str) -> None:
    """Where two names read alike, neither is guessed."""
    text = good + '[agents.a-b_c]\nprovider = "demo"\n[agents.a_b-c]\nprovider = "demo"\n'
    (mistake,) = mistakes(text, {"BRIDGE_AGENTS__A_B_C__PREWARM": "false"})
    assert mistake.where == "environment, BRIDGE_AGENTS__A_B_C__PREWARM"


def test_secrets_may_be_a_list(load: Load, good: str) -> None:
    """Several keys come separated by commas or as JSON."""
    agent = load(good, {"BRIDGE_AGENTS__BOOKING__API_KEY": "kura_live_a1,kura_live_b2"}).agents["booking"]
    assert isinstance(agent, KuraAgent)
    assert [key.reveal() for key in agent.api_key] == ["kura_live_a1", "kura_live_b2"]


def test_what_is_not_a_setting_is_left_alone(load: Load, good: str) -> None:
    """Variables of other programs, and those a container engine makes for a service named bridge, do no harm."""
    noise = {"BRIDGE_CONFIG": "x", "BRIDGE_API_KEY": "x", "BRIDGE_PORT": "tcp://10.0.0.1:80", "BRIDGE_PORT_80_TCP": "x"}
    assert load(good, noise | {"BRIDGE_": "x", "BRIDGE__X": "x"}) == load(good)


def test_an_unknown_setting_is_a_mistake(mistakes: Mistakes, good: str) -> None:
    """A name with two underscores is meant for us, so a wrong one is told, with what was likely meant."""
    (mistake,) = mistakes(good, {"BRIDGE_SERVER__PROT": "9000"})
    assert mistake.where == "environment, BRIDGE_SERVER__PROT"
    assert mistake.key == "server.prot"
    assert '"port"' in mistake.remedy


@pytest.mark.parametrize(
    "name",
    [
        "BRIDGE_SERVRE__PORT",
        "BRIDGE_MAX_CALLS__X",
        "BRIDGE_SERVER__PORT__X",
        "BRIDGE_SERVER__",
        "BRIDGE_LINES__7__AGENT",
    ],
)
def test_names_that_lead_nowhere(mistakes: Mistakes, good: str, name: str) -> None:
    """Each is told with the variable's own name."""
    assert [mistake.where for mistake in mistakes(good, {name: "1"})] == [f"environment, {name}"]


def test_two_spellings_of_one_setting(mistakes: Mistakes, good: str) -> None:
    """The same key twice is not left to chance."""
    assert len(mistakes(good, {"BRIDGE_SERVER__PORT": "1", "bridge_server__port": "2"})) == 1


def test_the_environment_wins_over_a_variable_that_is_not_set(load: Load, good: str) -> None:
    """A reference in the file that is overridden need not be resolved."""
    text = good.replace('"xk-74c1b2"', '"${NOT_SET}"')
    assert load(text, {"BRIDGE_AGENTS__SUPPORT__API_KEY": "xk-1234"}).agents["support"]


def test_the_environment_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file, variables alone make a configuration."""
    monkeypatch.chdir(tmp_path)
    environ = types.MappingProxyType(
        {"BRIDGE_AGENTS__DEMO__PROVIDER": "demo", "BRIDGE_LINES": '[{"number": "*", "agent": "demo"}]'}
    )
    assert set(Settings.load(None, environ).agents) == {"demo"}


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"}, "http://c:4318/v1/traces"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/x"},
            "http://t/x",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, None),
    ],
)
def test_the_environment_of_opentelemetry_is_heeded(environ: dict[str, str], url: str | None) -> None:
    """As its specification has it; what speaks another protocol than ours is left alone."""
    assert (collector(environ) or ("", None))[1] == url


def test_the_file_names_the_collector_before_the_environment_does(load: Load, good: str) -> None:
    """OTEL_... counts where the file has no [tracing]; BRIDGE_TRACING__URL counts before both."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}
    mine = good + '[tracing]\nurl = "http://127.0.0.1:4318/v1/traces"\n'
    assert load(good, environ).tracing.url == "http://c:4318/v1/traces"
    assert load(mine, environ).tracing.url == "http://127.0.0.1:4318/v1/traces"
    assert load(mine, environ | {"BRIDGE_TRACING__URL": "https://o/x"}).tracing.url == "https://o/x"
    assert load(good + "[tracing]\nshare = 0.5\n", environ).tracing.url is None
