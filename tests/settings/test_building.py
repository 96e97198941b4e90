"""Tables become dataclasses; every mistake has its key and its line, and none hides another."""

from collections.abc import Callable
from datetime import date

import pytest

from bridge.errors import Mistake
from bridge.settings import Settings

XUNA = 'agents = { x = { provider = "xuna", '
KURA = 'agents = { x = { provider = "kura", assistant_id = 1, base_url = "https://k.example"'
LINE = 'agents = { d = { provider = "demo" } }\nlines = [{ number = "*", agent = "d", '
JWT = 'api.jwt = { issuer = "i", audience = "a", jwks_url = "https://i.example", '

Load = Callable[..., Settings]
Mistakes = Callable[..., list[Mistake]]


def test_all_mistakes_at_once(mistakes: Mistakes, good: str) -> None:
    """One run tells everything that is wrong, each with its key and the line it stands on."""
    text = (
        good.replace("https://bridge", "http://bridge")
        .replace('"AC0123456789abcdef0123456789abcdef"', '"AC123"')
        .replace("0f1e2d3c4b5a69788796a5b4c3d2e1f0", "your_auth_token")
        .replace('"xk-74c1b2"', '"${XUNA_AI_API_KEY}"')
        .replace("assistant_id = 1", 'assistant_id = "one"')
        .replace("+15550100", "555 0100")
        .replace('agent = "support"', 'agent = "suport"')
        + "max_duration = 10\n"
    )
    told = {mistake.key: mistake for mistake in mistakes(text)}
    assert set(told) == {
        *("public_url", "carriers.twilio.account_sid", "carriers.twilio.auth_token[0]", "agents.support.api_key"),
        *("agents.booking.assistant_id", "lines[0].number", "lines[0].agent", "lines[0].max_duration"),
    }
    for key, mistake in told.items():
        line = int(mistake.where.rpartition(":")[2])
        assert key.partition("[0]")[0].rpartition(".")[2] in text.splitlines()[line - 1] or key.startswith("lines")
    assert "XUNA_AI_API_KEY" in told["agents.support.api_key"].problem
    assert '"support"' in told["lines[0].agent"].remedy
    assert '"max_duration_s"' in told["lines[0].max_duration"].remedy


@pytest.mark.parametrize(
    ("addition", "key"),
    [
        ("max_calls = 0", "max_calls"),
        ("max_calls = true", "max_calls"),
        ("max_calls = 1.5", "max_calls"),
        ('max_calls = "9"', "max_calls"),
        ("record_hops = 1", "record_hops"),
        ("drain_timeout_s = nan", "drain_timeout_s"),
        ("drain_timeout_s = inf", "drain_timeout_s"),
        ("uplink_chunk_ms = 30", "uplink_chunk_ms"),
        ("uplink_chunk_ms = true", "uplink_chunk_ms"),
        ('barge_in = "on"', "barge_in"),
        ('stream_signature = "never"', "stream_signature"),
        ('python_tools = ["os;x"]', "python_tools[0]"),
        ('python_tools = "clinic"', "python_tools"),
        ("api = 3", "api"),
        ('api.keys = ["x"]', "api.keys[0].key"),
        ('api.keys = [{ key = "0123456789abcdef", role = "admin" }]', "api.keys[0].role"),
        (JWT + 'algorithms = ["HS256"] }', "api.jwt.algorithms[0]"),
        ('outbound.allowed_prefixes = ["1"]', "outbound.allowed_prefixes[0]"),
        ('outbound.allowed_prefixes = ["+"]', "outbound.allowed_prefixes[0]"),
        ('outbound.allowed_prefixes = ["+٣"]', "outbound.allowed_prefixes[0]"),
        ('outbound.calling_hours = ["always"]', "outbound.calling_hours[0]"),
        ("outbound.holidays = [2026-12-25T00:00:00]", "outbound.holidays[0]"),
        ('outbound.holidays = ["25.12.2026"]', "outbound.holidays[0]"),
        ('transfers.reception = "5550777"', "transfers.reception.number"),
        ('transfers."front desk" = "+15550777"', "transfers.'front desk'"),
        ('tools.crm = { url = "http://169.254.169.254/" }', "tools.crm.url"),
        ('tools.crm = { url = "https://u:p@crm.example.com" }', "tools.crm.url"),
        ('tools.crm = { url = "file:///etc/passwd" }', "tools.crm.url"),
        ('tools.crm = { url = "https://crm.example.com", secret = "plain-secret" }', "tools.crm.secret[0]"),
        ('tools.crm = { url = "https://crm.example.com", schema = { d = 2026-01-01 } }', "tools.crm.schema.d"),
        ('events.crm = { url = "https://crm.example.com" }', "events.crm.secret"),
        ('server.trusted_proxies = ["proxy"]', "server.trusted_proxies[0]"),
        ('chat.help_text = "a\\u0000b"', "chat.help_text"),
        ('agents = { x = { provider = "openai" } }', "agents.x.provider"),
        ("agents = { x = {} }", "agents.x.provider"),
        ("agents = { x = 1 }", "agents.x"),
        ('agents = { a__b = { provider = "demo" } }', "agents.a__b"),
        ('agents = { x = { provider = "demo", agent_id = "a" } }', "agents.x.agent_id"),
        (XUNA + 'agent_id = "a", api_key = "xk-1", dynamic_variables = { a = [] } } }', "agents.x.dynamic_variables.a"),
        (XUNA + 'agent_id = "YOUR_AGENT_ID", authentication = "public" } }', "agents.x.agent_id"),
        (KURA + ' } }', "agents.x.api_key"),
        (KURA + ', api_key = [] } }', "agents.x.api_key"),
        (LINE + 'hours = { zone = "Mars", open = ["mon 01:00-02:00"] } }]', "lines[0].hours.zone"),
        (LINE + 'callers = { block = ["*"] } }]', "lines[0].callers.block[0]"),
        (LINE + 'recording = "yes" }]', "lines[0].recording.mode"),
    ],
)  # fmt: skip
def test_each_value_is_checked(mistakes: Mistakes, addition: str, key: str) -> None:
    """A value of the wrong type, form or range is told at its own key, and alone."""
    assert [mistake.key for mistake in mistakes(addition, serving=False)] == [key]


def test_values_may_come_from_variables_whatever_their_type(load: Load, good: str) -> None:
    """``${NAME}`` stands for numbers and lists too."""
    text = 'max_calls = "${N}"\n' + good + '[outbound]\nallowed_prefixes = "${P}"\n'
    loaded = load(text, {"N": "12", "P": "+1,+44"})
    assert (loaded.max_calls, loaded.outbound.allowed_prefixes) == (12, ("+1", "+44"))


def test_dates_are_written_either_way(load: Load) -> None:
    """A date is TOML's own or a text."""
    loaded = load('outbound.holidays = [2026-12-25, "2027-01-01"]', serving=False)
    assert loaded.outbound.holidays == (date(2026, 12, 25), date(2027, 1, 1))


def test_short_forms(load: Load) -> None:
    """A key, a transfer and a recording may be written as their one important value."""
    short = load('api.keys = ["0123456789abcdef"]\ntransfers.a = "+15550777"', serving=False)
    long = load('api.keys = [{ key = "0123456789abcdef" }]\ntransfers.a = { number = "+15550777" }', serving=False)
    assert short == long


def test_a_strange_key_cannot_forge_output(mistakes: Mistakes) -> None:
    """A key with line breaks or without end is shown escaped and cut."""
    (mistake,) = mistakes('"a\\nb' + "c" * 1000 + '" = 1', serving=False)
    assert "\n" not in str(mistake)
    assert len(str(mistake)) < 400


def test_a_flood_of_mistakes_ends(mistakes: Mistakes) -> None:
    """A file that is wrong all over is told within bounds."""
    assert len(mistakes("\n".join(f"k{number} = 1" for number in range(20_000)), serving=False)) == 200
