"""The description of the API, compared with the API."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.routing import Route

from bridge.web.api.endpoint import METHODS
from bridge.web.openapi import document
from tests.support.deployment import Deployment, Reply, deployed

CALL = "call_0123456789abcdef"


@pytest.fixture
async def all_(tmp_path: Path) -> AsyncIterator[Deployment]:
    """A deployment."""
    async with deployed(tmp_path, more='[transfers]\nreception = "+15550777"\n') as deployment:
        yield deployment


def matches(value: Any, schema: dict[str, Any], whole: dict[str, Any], where: str = "$") -> None:
    """Judge a value by the part of JSON Schema that the document uses."""
    if "$ref" in schema:
        schema = whole["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in schema:
        problems = []
        for each in schema["anyOf"]:
            try:
                return matches(value, each, whole, where)
            except AssertionError as error:
                problems.append(str(error))
        raise AssertionError(f"{where}: none fits: {problems}")
    if "const" in schema:
        assert value == schema["const"], where
        return None
    if "enum" in schema:
        assert value in schema["enum"], where
    kinds = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "null": type(None),
    }
    assert isinstance(value, kinds[schema["type"]]), f"{where}: {value!r} is no {schema['type']}"
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        missing = set(schema.get("required", ())) - set(value)
        assert not missing, f"{where}: {missing} missing"
        for name, item in value.items():
            if name in properties:
                matches(item, properties[name], whole, f"{where}.{name}")
            else:
                assert schema.get("additionalProperties", True), f"{where}: {name} is not described"
    if isinstance(value, list):
        for number, item in enumerate(value):
            matches(item, schema["items"], whole, f"{where}[{number}]")
    return None


def judge(reply: Reply, method: str, path: str, whole: dict[str, Any]) -> None:
    """An answer is one that the document describes, in status, type and shape."""
    described = whole["paths"][path][method.lower()]["responses"]
    assert str(reply.status) in described, f"{method} {path}: {reply.status} is not described: {reply.text[:200]}"
    content = described[str(reply.status)].get("content")
    if content is None:
        assert reply.text == ""
        return
    kind = reply.headers["Content-Type"].partition(";")[0]
    assert kind in content
    matches(json.loads(reply.text), content[kind]["schema"], whole)


async def test_every_route_is_described_and_every_description_is_a_route(all_: Deployment) -> None:
    """The document and the routes have the same paths and methods, and its references lead somewhere."""
    assert all_.house.operations is not None
    whole = (await all_.ask("GET", "/api/v1/openapi.json")).json
    assert whole["openapi"].startswith("3.1")
    described = {(method.upper(), path) for path, methods in whole["paths"].items() for method in methods}
    found = {(each.method, "/api/v1" + each.path) for each in all_.house.operations.api.endpoints}
    for route in all_.house.routes():
        if isinstance(route, Route) and route.path.startswith("/api/") and set(route.methods or ()) != set(METHODS):
            found |= {(method, route.path.replace(":str", "")) for method in (route.methods or set()) - {"HEAD"}}
    assert described == found
    for name in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(whole)):
        assert name in whole["components"]["schemas"]
    for path, methods in whole["paths"].items():
        for each in methods.values():
            named = {p["name"] for p in each["parameters"] if p["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))


async def test_a_real_call_is_as_described(all_: Deployment) -> None:
    """A live and an ended call, the list, and every answer on the way have the described shape."""
    whole = document("")
    call, _ = await all_.talking()
    for _ in range(2):
        judge(await all_.ask("GET", "/api/v1/calls"), "GET", "/api/v1/calls", whole)
        judge(await all_.ask("GET", f"/api/v1/calls/{call.sid}"), "GET", "/api/v1/calls/{id}", whole)
        hangup = await all_.ask("POST", f"/api/v1/calls/{call.sid}/hangup")
        judge(hangup, "POST", "/api/v1/calls/{id}/hangup", whole)
        await call.ended()
    judge(await all_.ask("DELETE", f"/api/v1/calls/{call.sid}"), "DELETE", "/api/v1/calls/{id}", whole)
    for kind in ("signed-url", "token"):
        path = "/api/v1/agents/{name}/" + kind
        judge(await all_.ask("GET", path.replace("{name}", "support")), "GET", path, whole)


async def test_a_real_campaign_is_as_described(tmp_path: Path) -> None:
    """What is sent and what is answered, from the list to its results, and who is never called."""
    whole, more = document(""), '[outbound]\nallowed_prefixes = ["+1"]\n'
    people = {
        "name": "May",
        "rules": {"from": ["+15550100"], "retry_on": ["busy"], "not_after": "2099-01-01T00:00:00Z"},
    }
    people["people"] = [{"number": "+12125550123", "name": "Ada", "zone": "America/New_York"}, {"number": "x"}]
    async with deployed(tmp_path, more=more) as all_:

        async def ask(method: str, path: str, body: Any = None, **names: str) -> Any:
            described = whole["paths"][f"/api/v1{path}"][method.lower()]
            if body is not None:
                schema = described["requestBody"]["content"]["application/json"]["schema"]
                assert "properties" in json.dumps(resolved(schema, whole))
                matches(body, schema, whole)
            reply = await all_.ask(method, f"/api/v1{path.partition('?')[0].format(**names)}", body=body)
            assert reply.status < 300, reply.text
            judge(reply, method, f"/api/v1{path}", whole)
            return reply

        await ask("POST", "/campaigns/preview", people)
        made = (await ask("POST", "/campaigns", people)).json["campaign_id"]
        await ask("GET", "/campaigns")
        await ask("PATCH", "/campaigns/{id}", {"rules": {"retry_on": None, "max_attempts": 2}}, id=made)
        await ask("GET", "/campaigns/{id}", id=made)
        await ask("POST", "/campaigns/{id}/{verb}", id=made, verb="start")
        await ask("POST", "/campaigns/{id}/{verb}", id=made, verb="cancel")
        results = await all_.ask("GET", f"/api/v1/campaigns/{made}/results?format=json")
        judge(results, "GET", "/api/v1/campaigns/{id}/results", whole)
        await ask("POST", "/suppressions", {"numbers": ["+12125550124"]})
        await ask("GET", "/suppressions")
        await ask("DELETE", "/suppressions/{number}", number="+12125550124")


def test_no_body_is_left_undescribed() -> None:
    """What is sent and what is answered as JSON has its keys in the description, but where it is anybody's own."""
    whole, bare = document(""), set()
    for path, methods in whole["paths"].items():
        for method, each in methods.items():
            bodies = [each.get("requestBody", {}), *(each["responses"][name] for name in each["responses"])]
            for body in bodies:
                schema = body.get("content", {}).get("application/json", {}).get("schema")
                if schema is not None and not {"properties", "anyOf"} & set(resolved(schema, whole)):
                    bare.add((path, method))
    assert bare == {("/api/v1/openapi.json", "get")}


def resolved(schema: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """What it refers to."""
    found: dict[str, Any] = schema
    if "$ref" in schema:
        found = whole["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return found


values = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["", "0", "-1", "200", "9" * 30, "true", "null", "\0", "in_progress", "inbound", "+15550100", "\ud83d\ude00"]
    ),
    st.integers().map(str),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
)
names = st.sampled_from(["to", "digits", "x"]) | st.text()
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_sent_the_answer_is_described(fuzzed: "Fuzzed", data: st.DataObject) -> None:
    """Any parameters, bodies and headers on any route: a described status and shape, and never a 5xx of our own."""
    whole = document("")
    fuzzed_here = [each for each in whole["paths"] if "/campaigns" not in each and "/suppressions" not in each]
    path = data.draw(st.sampled_from(sorted(fuzzed_here)))
    method = data.draw(st.sampled_from(sorted(whole["paths"][path])))
    described = whole["paths"][path][method]
    query = {
        each["name"]: data.draw(values)
        for each in described["parameters"]
        if each["in"] == "query" and data.draw(st.booleans())
    }
    place = data.draw(st.sampled_from([CALL, "support", "x"]) | values.filter(lambda text: text not in {"", ".", ".."}))
    headers = data.draw(
        st.dictionaries(st.sampled_from(["Idempotency-Key", "Accept"]), st.text("abc 1", max_size=5), max_size=2)
    )
    body: Any = None
    if "requestBody" in described:
        body = data.draw(json_values | st.binary(max_size=50))
        name = next(iter(described["requestBody"]["content"]["application/json"]["schema"]["properties"]))
        body = data.draw(st.just(body) | st.fixed_dictionaries({name: st.text(max_size=10) | st.just("12#")}))
    reply = fuzzed.ask(method.upper(), path, place, query, body, headers)
    assert reply.status < 500
    judge(reply, method, path, whole)


class Fuzzed:
    """A bridge in a loop of its own, so that a synchronous property can ask it."""

    def __init__(self, folder: Path) -> None:
        import asyncio

        self.runner = asyncio.Runner()
        self.folder = folder
        self.context: Any = None
        self.deployment: Any = None

    def __enter__(self) -> "Fuzzed":
        self.context = deployed(self.folder, more='[transfers]\nreception = "+15550777"\n')
        self.deployment = self.runner.run(self.context.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.run(self.context.__aexit__(None, None, None))
        self.runner.close()

    def ask(
        self, method: str, path: str, place: str, query: dict[str, str], body: Any, headers: dict[str, str]
    ) -> Reply:
        """One request."""
        from urllib.parse import quote, urlencode

        where = re.sub(r"{\w+}", quote(place, safe="", errors="replace"), path)
        text = urlencode({name: value.encode(errors="replace") for name, value in query.items()})
        sent = json.dumps(body).encode() if body is not None and not isinstance(body, bytes) else body
        return self.runner.run(  # type: ignore[no-any-return]
            self.deployment.ask(method, f"{where}?{text}" if text else where, body=sent, headers=headers)
        )


@pytest.fixture
def fuzzed(tmp_path: Path) -> Any:
    """One for a whole property."""
    with Fuzzed(tmp_path) as fuzzed:
        yield fuzzed
