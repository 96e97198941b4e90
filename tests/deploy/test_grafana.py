"""The dashboard and the alerts that are shipped ask for metrics that there are."""

import json
import re
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.support.house import API_KEY, configuration, running

FOLDER = Path(__file__).parents[2] / "deploy" / "grafana"


@pytest.mark.parametrize("name", ["dashboard.json", "alerts.yml"])
async def test_every_metric_that_is_asked_for_is_told(tmp_path: Path, name: str) -> None:
    """No panel and no alert waits for a metric that /metrics does not describe."""
    text = (FOLDER / name).read_text()
    if name.endswith(".json"):
        text = "\n".join(target["expr"] for panel in json.loads(text)["panels"] for target in panel["targets"])
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
