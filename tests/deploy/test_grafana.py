"""The dashboard and the alerts that are shipped ask for metrics that there are."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from aiohttp import ClientSession

from tests.deploy.tools import DEPLOY, brought, program
from tests.support.house import API_KEY, configuration, running

FOLDER = DEPLOY / "grafana"
PARSE = "import json, promql_parser, sys; [promql_parser.parse(each) for each in json.load(sys.stdin)]"


def expressions(name: str) -> list[str]:
    """What a file asks Prometheus."""
    text = (FOLDER / name).read_text()
    if name.endswith(".json"):
        return [target["expr"] for panel in json.loads(text)["panels"] for target in panel["targets"]]
    return [rule["expr"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("name", ["dashboard.json", "alerts.yml"])
async def test_every_metric_that_is_asked_for_is_told(tmp_path: Path, name: str) -> None:
    """No panel and no alert waits for a metric that /metrics does not describe."""
    text = "\n".join(expressions(name))
    asked = {re.sub(r"_(total|bucket|sum|count)$", "", each) for each in re.findall(r"callbridge_[a-z_]+", text)}
    async with running(tmp_path, configuration(tmp_path, '[agents.demo]\nprovider = "demo"\n')) as house:
        address = f"http://127.0.0.1:{house.port}/metrics"
        async with (
            ClientSession(headers={"Authorization": f"Bearer {API_KEY}"}) as client,
            client.get(address) as answer,
        ):
            told = set(re.findall(r"# TYPE (callbridge_\w+?)(?:_total)? ", await answer.text()))
    assert asked
    assert asked <= told, asked - told


@pytest.mark.parametrize("name", ["dashboard.json", "alerts.yml"])
def test_every_expression_is_one(name: str) -> None:
    """A parser of PromQL reads each."""
    command = [brought("python"), "-c", PARSE]
    read = subprocess.run(command, input=json.dumps(expressions(name)), capture_output=True, text=True, timeout=60)
    assert read.returncode == 0, read.stderr


def test_prometheus_takes_the_alerts() -> None:
    """promtool, where Prometheus is installed, finds no fault in the rules."""
    command = [program("promtool"), "check", "rules", str(FOLDER / "alerts.yml")]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
