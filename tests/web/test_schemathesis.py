"""The operator API, asked by schemathesis whatever its own description allows and forbids."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi import checks

from bridge.web.openapi import document
from tests.support.deployment import Deployment, deployed
from tests.support.house import API_KEY

CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
MORE = '[outbound]\nallowed_prefixes = ["+1"]\ncalls_per_second = 100\n[transfers]\nreception = "+15550777"\n'
RULES = {"from": ["+15550100"]}
PEOPLE = {"rules": RULES, "csv": "number,name,zone\n+15550123,Ada,America/New_York\n"}
GOOD: dict[tuple[str, str], dict[str, Any]] = {  # what gets a request past the checks of its body
    ("/api/v1/calls", "post"): {"to": "+12125550123", "from": "+15550100"},
    ("/api/v1/calls/{id}/transfer", "post"): {"to": "reception"},
    ("/api/v1/campaigns", "post"): PEOPLE,
    ("/api/v1/campaigns/preview", "post"): PEOPLE,
    ("/api/v1/campaigns/{id}", "patch"): {"rules": {"max_attempts": 2}},
    ("/api/v1/suppressions", "post"): {"numbers": ["+12125550124"]},
}
LAST = ("/hangup", "/transfer", "/{verb}")  # after these the call, or the campaign, is not what it was
OPERATIONS = sorted(
    ((path, method) for path, methods in document("")["paths"].items() for method in methods),
    key=lambda each: (each[0].endswith(LAST), each[1] == "delete", each),
)


class Asked:
    """A bridge with stand-ins around it, and one live call and one campaign by whose names it can be asked."""

    def __init__(self, runner: asyncio.Runner, deployment: Deployment) -> None:
        self.deployment = deployment
        self._runner = runner
        # In a thread: while the loop stands, the bridge's transactions wait, and are given up.
        self.schema = runner.run(asyncio.to_thread(schemathesis.openapi.from_dict, runner.run(self._described())))
        self.known = runner.run(self._known())

    async def _described(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.deployment.ask("GET", "/api/v1/openapi.json")).json
        return found

    async def _known(self) -> dict[str, str]:
        call, _ = await self.deployment.talking()
        made = await self.deployment.ask("POST", "/api/v1/campaigns", body=PEOPLE)
        assert made.status == 201, made.text
        return {"calls": call.sid, "agents": "support", "campaigns": made.json["campaign_id"]}

    def judge(self, case: schemathesis.Case) -> None:
        """Send it over a real socket, while the bridge goes on in this thread's loop."""
        url = f"http://127.0.0.1:{self.deployment.house.port}"
        case.headers["Authorization"] = f"Bearer {API_KEY}"
        self._runner.run(asyncio.to_thread(case.call_and_validate, base_url=url, checks=CHECKS, timeout=5))


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """One bridge for all operations."""
    with asyncio.Runner() as runner:
        context = deployed(tmp_path_factory.mktemp("bridge"), more=MORE)
        deployment = runner.run(context.__aenter__())
        try:
            yield Asked(runner, deployment)
        finally:
            runner.run(context.__aexit__(None, None, None))


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_answer_is_one_that_the_description_has(asked: Asked, path: str, method: str) -> None:
    """Right and wrong requests alike: no 5xx, and a status, a type and a shape that are described."""
    operation = asked.schema[path][method.upper()]
    right = operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE)
    wrong = operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)

    @settings(
        max_examples=20,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=right | wrong, known=st.booleans(), good=st.booleans())
    def judged(case: schemathesis.Case, known: bool, good: bool) -> None:
        subject = asked.known.get(path.split("/")[3])
        if known and subject is not None:
            case.path_parameters |= {name: subject for name in ("id", "name") if name in case.path_parameters}
        if good and (path, method) in GOOD and isinstance(case.body, dict):
            case.body = case.body | GOOD[path, method]
        asked.judge(case)

    judged()
