"""What spans several keys."""

from collections.abc import Callable

import pytest

from bridge.errors import Mistake
from bridge.settings import Settings, checks

HOURS = 'hours = { zone = "UTC", open = ["mon 01:00-02:00"], agent = "x" }'

Load = Callable[..., Settings]
Mistakes = Callable[..., list[Mistake]]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('agent = "support"', 'agent = "nobody"', "lines[0].agent"),
        ('agent = "support"', 'agent = "support"\nbackup_agents = ["nobody"]', "lines[0].backup_agents[0]"),
        ('agent = "support"', 'agent = "support"\nbackup_agents = ["support"]', "lines[0].backup_agents[0]"),
        ('agent = "support"', 'agent = "support"\nbackup_agents = ["demo", "demo"]', "lines[0].backup_agents[1]"),
        ('agent = "support"', 'agent = "support"\nfallback = { dial = "+15550100" }', "lines[0].fallback.dial"),
        ('agent = "support"', 'agent = "support"\ntext_agent = "demo"', "lines[0].text_agent"),
        ('agent = "support"', f'agent = "support"\n{HOURS}', "lines[0].hours.agent"),
        ('agent = "support"', 'agent = "support"\n[[lines]]\nnumber = "+15550100"\nagent = "demo"', "lines[1].number"),
        ('api_key = "xk-74c1b2"', "", "agents.support.api_key"),
        ('api_key = "xk-74c1b2"', 'api_key = "xk-74c1b2"\nbase_url = "http://api.example.com"', "agents.support.base_url"),
        ("https://kura", "http://kura", "agents.booking.base_url"),
        ('public_url = "https://bridge.example.com"', "", "public_url"),
        ("[agents.support]", '[tools.end_call]\nurl = "https://a.example"\n[agents.support]', "tools.end_call"),
        ("[agents.support]", '[chat]\nagents = ["support"]\n[agents.support]', "chat.agents[0]"),
        ("[agents.support]", '[outbound]\ncaller_numbers = ["+15550101"]\n[agents.support]', "outbound.caller_numbers[0]"),
        ("[agents.support]", '[api]\nkeys = ["0123456789abcdef", "0123456789abcdef"]\n[agents.support]', "api.keys[1]"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together(mistakes: Mistakes, good: str, old: str, new: str, key: str) -> None:
    """Each mistake is told at the key that a person would change, and alone."""
    assert old in good
    assert [mistake.key for mistake in mistakes(good.replace(old, new))] == [key]


def test_a_server_needs_a_carrier(mistakes: Mistakes, good: str) -> None:
    """Real agents without a carrier would wait for ever."""
    start, end = good.index("[carriers.twilio]"), good.index("[agents.support]")
    assert [mistake.key for mistake in mistakes(good[:start] + good[end:])] == ["carriers.twilio"]


def test_a_server_needs_an_agent(mistakes: Mistakes) -> None:
    """An empty file serves nobody."""
    assert [mistake.key for mistake in mistakes("")] == ["agents"]


def test_plain_text_where_it_is_wanted(load: Load, good: str) -> None:
    """http goes to loopback freely, and elsewhere where it is asked for, with a warning."""
    loopback = load(good.replace("https://kura.example.com", "http://127.0.0.1:9000"))
    assert loopback.warnings == ()
    asked = load(good.replace('"https://kura.example.com"', '"http://kura.internal"\nallow_insecure = true'))
    assert ["agents.booking" in warning for warning in asked.warnings] == [True]


def test_a_wrong_agent_is_told_once(mistakes: Mistakes, good: str) -> None:
    """Lines that name an agent with mistakes of its own are not complained of."""
    assert [mistake.key for mistake in mistakes(good.replace('provider = "xuna"', 'provider = "xunna"'))] == [
        "agents.support.provider"
    ]


def test_without_lines_there_is_a_warning(load: Load, good: str) -> None:
    """A bridge that would reject every call says so."""
    assert load(good.partition("[[lines]]")[0]).warnings == ("no lines are configured: every call is rejected",)


def test_traces_need_their_extra(load: Load, mistakes: Mistakes, good: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that the file names without the extra is a mistake; one that the platform names is a warning."""
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    text = good + '[tracing]\nurl = "http://127.0.0.1:4318/v1/traces"\n'
    assert [mistake.key for mistake in mistakes(text)] == ["tracing.url"]
    settings = load(good, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"})
    assert any("callbridge[tracing]" in warning for warning in settings.warnings)
