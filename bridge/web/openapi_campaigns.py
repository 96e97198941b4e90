"""The description of what places many calls: campaigns, and the list of who is not to be called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from bridge.outbound.rules import RETRIED, Rules

Schema = dict[str, Any]
TEXT: Final[Schema] = {"type": "string"}
COUNT: Final[Schema] = {"type": "integer"}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
SCALAR: Final[Schema] = {"anyOf": [TEXT, {"type": "number"}, {"type": "boolean"}]}
COUNTS: Final[Schema] = {"type": "object", "additionalProperties": COUNT}
STATES: Final = ("draft", "running", "paused", "finished", "canceled")
ERRORS: Final = (400, 403, 409, 415, 422, 503)


def _path(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": TEXT}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _whole(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(name: str) -> Schema:
    return {"type": "array", "items": _ref(name)}


def _rules() -> Schema:
    """The properties as they are read, so that the two cannot differ. What is left out is as ``[outbound]`` has it."""
    _, components = msgspec.json.schema_components([Rules])
    properties: Schema = components["Rules"]["properties"]
    for each in properties.values():
        del each["default"]
    for name in ("not_before", "not_after"):
        properties[name] = {"anyOf": [TIME, {"type": "null"}]}
    properties["machine_detection"]["enum"] = ["", "off", "detect", "leave_message"]
    properties["retry_on"]["anyOf"][0]["items"]["enum"] = list(RETRIED)
    return properties


def campaign_schemas() -> Schema:
    """What the paths refer to."""
    rules, closed = _rules(), {"type": "object", "additionalProperties": False}
    changes = {name: {"anyOf": [each, {"type": "null"}]} for name, each in rules.items()}
    person = dict.fromkeys(("number", "name", "time", "zone", "not_before", "not_after"), TEXT)
    person["variables"] = {"type": "object", "additionalProperties": SCALAR}
    campaign = {
        "campaign_id": TEXT,
        "name": TEXT,
        "state": {**TEXT, "enum": list(STATES)},
        "why": {**TEXT, "description": "It is paused."},
        "created_at": TIME,
    }
    preview = {
        "summary": TEXT,
        "will_be_called": COUNT,
        "skipped": COUNT,
        "reasons": COUNTS,
        "lines": {"type": "array", "items": _whole({"line": COUNT, "why": TEXT})},
    }
    result = dict.fromkeys(("number", "name", "state", "result", "note"), TEXT)
    listed = {"number": TEXT, "source": TEXT, "note": TEXT, "added_at": TIME}
    return {
        "Rules": {**closed, "properties": rules},
        "RuleChanges": {**closed, "properties": changes, "description": "Null takes a rule away."},
        "Person": {
            "type": "object",
            "properties": person,
            "required": ["number"],
            "additionalProperties": {**SCALAR, "description": "A variable for the agent."},
        },
        "People": {
            **closed,
            "properties": {
                "name": {**TEXT, "maxLength": 200},
                "rules": _ref("Rules"),
                "people": _list("Person"),
                "csv": {**TEXT, "description": "With a head line: number,name,time,zone,..."},
            },
            "oneOf": [{"required": ["people"]}, {"required": ["csv"]}],
        },
        "Preview": _whole(preview),
        "NewCampaign": _whole({"campaign_id": TEXT, "state": {"const": "draft"}, **preview}),
        "Campaign": _whole(campaign),
        "CampaignStatus": _whole({**campaign, "rules": _ref("Rules"), "states": COUNTS, "results": COUNTS}),
        "Result": _whole({**result, "line": COUNT, "calls": COUNT, "call_id": {"anyOf": [TEXT, {"type": "null"}]}}),
        "Suppression": _whole(listed),
    }


def campaign_paths(operation: Callable[..., Schema], key: Schema) -> Schema:
    """Paths of campaigns and suppressions. ``operation``: as in ``openapi.py``; ``key``: the Idempotency-Key."""
    one = (_path("id"),)
    verb = {**_path("verb"), "schema": {"type": "string", "enum": ["start", "pause", "resume", "cancel"]}}
    form = {"name": "format", "in": "query", "schema": {"type": "string", "enum": ["json", "csv"], "default": "csv"}}
    after = {"name": "after", "in": "query", "description": "The last number of the page before.", "schema": TEXT}
    people = _ref("People")
    moved = _whole({"campaign_id": TEXT, "state": {**TEXT, "enum": list(STATES)}})
    changed = _whole({"campaign_id": TEXT, "rules": _ref("Rules")})
    patch = {**_whole({"rules": _ref("RuleChanges")}), "additionalProperties": False}
    page = _whole({"suppressions": _list("Suppression"), "next": {"anyOf": [TEXT, {"type": "null"}]}})
    number = {**TEXT, "pattern": "^\\+[1-9][0-9]{1,14}$"}
    csv = {**TEXT, "description": "The first column; a head line, number, may be there."}
    numbers = {"anyOf": [_whole({"numbers": {"type": "array", "items": number, "minItems": 1}}), _whole({"csv": csv})]}
    added = _whole({"added": COUNT, "known": COUNT})
    return {
        "/api/v1/campaigns": {
            "get": operation("All campaigns.", {200: _whole({"campaigns": _list("Campaign")})}, errors=ERRORS),
            "post": operation(
                "Make a campaign of a list.", {201: _ref("NewCampaign")}, errors=ERRORS, parameters=(key,), body=people
            ),
        },
        "/api/v1/campaigns/preview": {
            "post": operation("What would become of a list.", {200: _ref("Preview")}, errors=ERRORS, body=people),
        },
        "/api/v1/campaigns/{id}": {
            "get": operation("How a campaign stands.", {200: _ref("CampaignStatus")}, errors=ERRORS, parameters=one),
            "patch": operation("Change its rules.", {200: changed}, errors=ERRORS, parameters=one, body=patch),
        },
        "/api/v1/campaigns/{id}/results": {
            "get": operation(
                "What became of each number, as CSV or JSON.",
                {200: _whole({"results": _list("Result")})},
                errors=ERRORS,
                parameters=(*one, form),
                kinds=("text/csv",),
            ),
        },
        "/api/v1/campaigns/{id}/{verb}": {
            "post": operation(
                "Start, pause, resume or cancel it.", {202: moved}, errors=ERRORS, parameters=(*one, verb, key)
            ),
        },
        "/api/v1/suppressions": {
            "get": operation("Numbers that are never called.", {200: page}, errors=ERRORS, parameters=(after,)),
            "post": operation("Add numbers.", {200: added}, errors=ERRORS, body=numbers),
        },
        "/api/v1/suppressions/{number}": {
            "delete": operation(
                "Take a number off the list.", {204: None}, errors=ERRORS, parameters=(_path("number"),)
            ),
        },
    }
