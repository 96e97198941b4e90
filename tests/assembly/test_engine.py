"""What dials, put together from the configuration."""

from pathlib import Path

from bridge.assembly.engine import defaults_of, lines_of, policy_of, somebody_takes_calls
from bridge.settings import Settings
from bridge.store.database import Database
from bridge.store.instances import Instances

TEXT = """
public_url = "https://bridge.example.com"

[carriers.twilio]
account_sid = "AC0123456789abcdef0123456789abcdef"
auth_token = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"

[agents.demo]
provider = "demo"

[agents.backup]
provider = "demo"

[[lines]]
number = "+12125550100"
agent = "demo"
backup_agents = ["backup"]

[[lines]]
number = "*"
agent = "demo"

[transfers]
reception = "+12125550777"

[outbound]
allowed_prefixes = ["+1"]
calls_per_second = 2.5
max_concurrent = 3
daily_limit = 4
daily_minutes = 5
caller_numbers = ["+12125550101"]
first_line = "This is an AI."
machine_detection = "detect"
ring_timeout_s = 17
max_duration_s = 600
holidays = ["2026-12-25"]
max_attempts = 2
retry_delay_s = 90
max_failure_rate = 0.25
failure_window = 9
"""


def settings(tmp_path: Path) -> Settings:
    """Of that file."""
    file = tmp_path / "bridge.toml"
    file.write_text(TEXT)
    return Settings.load(str(file), {})


def test_every_rule_of_the_configuration_reaches_whoever_dials(tmp_path: Path) -> None:
    """Under its own name."""
    made = settings(tmp_path)
    policy = policy_of(made, lines_of(made))
    budget = policy.budget
    assert (budget.calls_per_second, budget.max_concurrent) == (2.5, 3)
    assert (budget.daily_limit, budget.daily_minutes) == (4, 5)
    assert (policy.machine_detection, policy.ring_timeout_s, policy.max_duration_s) == ("detect", 17, 600)
    assert (policy.first_line, policy.caller_numbers) == ("This is an AI.", ("+12125550101",))
    assert policy.hands_over
    assert policy.agents == {"demo", "backup"}
    assert policy.public_url == "https://bridge.example.com"


def test_no_number_of_ours_is_dialled(tmp_path: Path) -> None:
    """Neither a line nor a caller's number; "*" is none."""
    made = settings(tmp_path)
    assert policy_of(made, lines_of(made)).destinations.own == {"+12125550100", "+12125550101"}


def test_a_line_has_its_agents_in_order(tmp_path: Path) -> None:
    """The backups behind the first."""
    lines = lines_of(settings(tmp_path))
    assert lines["+12125550100"].agents == ("demo", "backup")
    assert set(lines) == {"+12125550100", "*"}


def test_campaigns_begin_with_the_houses_rules(tmp_path: Path) -> None:
    """Each under its own name."""
    found = defaults_of(settings(tmp_path))
    assert (found.max_attempts, found.retry_delay_s) == (2, 90)
    assert (found.max_failure_rate, found.failure_window) == (0.25, 9)
    assert [day.isoformat() for day in found.holidays] == ["2026-12-25"]
    assert len(found.hours) == 1


async def test_nobody_is_called_unless_a_bridge_is_there_for_them(tmp_path: Path) -> None:
    """Not before the first one has come, not while all drain, and not after the last one has left."""
    database = Database(f"sqlite:///{tmp_path}/calls.db")
    await database.migrate()
    instances = Instances(database)
    found = [await somebody_takes_calls(instances)]
    await instances.beat("one", active_calls=0)
    found.append(await somebody_takes_calls(instances))
    await instances.beat("one", active_calls=0, draining=True)
    found.append(await somebody_takes_calls(instances))
    await instances.leave("one")
    found.append(await somebody_takes_calls(instances))
    await database.close()
    assert found == [False, True, False, False]
