"""The operator API, described: ``/api/v1/openapi.json`` (OpenAPI 3.1). A test compares it with the routes there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bridge.call.record import Direction, Status
from bridge.errors import Class, Reason, Side
from bridge.web.openapi_campaigns import campaign_paths, campaign_schemas

Schema = dict[str, Any]


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Schema, *, required: tuple[str, ...] | None = None, closed: bool = False) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, "required": list(required or properties)}
    if closed:
        schema["additionalProperties"] = False
    return schema


def _nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "number"}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
DIGITS: Final[Schema] = {"type": "string", "pattern": "^[0-9*#w]{1,32}$"}


def _closed_list(values: Any) -> Schema:
    return {"type": "string", "enum": [str(value) for value in values]}


def _schemas() -> Schema:
    call = {
        "call_id": TEXT,
        "carrier_call_id": _nullable(TEXT),
        "direction": _closed_list(Direction),
        "from": TEXT,
        "to": TEXT,
        "line": TEXT,
        "agent": TEXT,
        "status": _closed_list(Status),
        "outcome": _nullable(_ref("Outcome")),
        "created_at": TIME,
        "started_at": _nullable(TIME),
        "ended_at": _nullable(TIME),
        "duration_s": _nullable(NUMBER),
        "turns": _list(_ref("Turn")),
        "events": _list(_object({"type": TEXT, "at_ms": {"type": "integer"}})),
        "latency": _ref("Latency"),
        "agent_conversation_id": _nullable(TEXT),
    }
    optional = {"analysis": {"type": "object"}, "recording": {"type": "object"}}
    single, several = _nullable(NUMBER), _list(NUMBER)
    return {
        "Call": _object(call | optional, required=tuple(call)),
        "Calls": _object({"calls": _list(_ref("Call")), "next_cursor": _nullable(TEXT)}),
        "Outcome": _object(
            {
                "side": _closed_list(Side),
                "class": _closed_list(Class),
                "reason": _closed_list(Reason),
                "detail": {
                    **TEXT,
                    "description": "What the carrier said of it, in words; left out where nothing was said.",
                },
            },
            required=("side", "class", "reason"),
        ),
        "Turn": _object(
            {
                "role": _closed_list(("caller", "agent")),
                "text": TEXT,
                "heard": {**TEXT, "description": "What of an interrupted text was played."},
                "interrupted": {"type": "boolean"},
                "at_ms": {"type": "integer", "description": "Since the call was offered."},
            }
        ),
        "Latency": _object(
            {
                "credential_ms": single,
                "connect_ms": single,
                "first_word_ms": single,
                "response_ms": several,
                "interruption_ms": several,
            }
        ),
        "Accepted": _object({"call_id": TEXT, "status": _closed_list(Status)}),
        "SignedUrl": _object({"signed_url": TEXT, "expires_in_s": {"type": "integer"}}),
        "Token": _object({"token": TEXT}),
        "PublicAgent": _object({"agent_id": TEXT, "public": {"const": True}, "max_duration_s": {"type": "integer"}}),
        "Problem": _object(
            {"type": TEXT, "title": TEXT, "status": {"type": "integer"}, "detail": TEXT, "remedy": TEXT},
            required=("type", "title", "status", "detail"),
        ),
        **campaign_schemas(),
    }


ERRORS: Final = {
    400: "The body is not JSON.",
    401: "No key, or not one of ours.",
    403: "This key may only look.",
    404: "Unknown; or no keys are configured.",
    409: "The same Idempotency-Key with another body, or an action on a call that has ended.",
    413: "The body is larger than 64 KiB.",
    415: "The body is not announced as JSON.",
    422: "It cannot be: a wrong value, an unknown name.",
    429: "Too many; Retry-After says when again.",
    502: "The carrier or the agent refused.",
    503: "The store is away, or the bridge is draining.",
}
ID: Final[Schema] = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "call_id or carrier_call_id.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
}
NAME: Final[Schema] = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "A XUNA agent's name in the configuration.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
}
IDEMPOTENCY_KEY: Final[Schema] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same request again, within a day, gets the same answer and is carried out once.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}


def _query(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def operation(
    summary: str,
    answers: Mapping[int, Schema | None],
    *,
    errors: tuple[int, ...] = (),
    parameters: tuple[Schema, ...] = (),
    body: Schema | None = None,
    kinds: tuple[str, ...] = (),
) -> Schema:
    """One method of one path. ``answers``: schemas by status, None for one that is not JSON; ``kinds``: what it is then."""
    responses: Schema = {}
    for status, schema in answers.items():
        responses[str(status)] = {"description": summary}
        if schema is not None:
            responses[str(status)]["content"] = {"application/json": {"schema": schema}}
        if kinds:
            responses[str(status)].setdefault("content", {}).update({kind: {} for kind in kinds})
    for status in sorted({401, 404, 413, 429, *errors}):
        responses[str(status)] = {
            "description": ERRORS[status],
            "content": {"application/problem+json": {"schema": _ref("Problem")}},
        }
    described: Schema = {"summary": summary, "responses": responses, "parameters": list(parameters)}
    if body is not None:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return described


def _placing() -> Schema:
    scalar = {"anyOf": [TEXT, NUMBER, {"type": "boolean"}]}
    properties = {
        "to": {**TEXT, "description": "E.164, under [outbound] allowed_prefixes."},
        "from": {**TEXT, "description": "A line of ours; without it the first that may call."},
        "agent": {**TEXT, "description": "A name of [agents]; without it the line's."},
        "variables": {"type": "object", "additionalProperties": scalar},
        "first_message": TEXT,
        "machine_detection": _closed_list(("off", "detect", "leave_message")),
        "voicemail_message": TEXT,
        "max_duration_s": {"type": "integer", "minimum": 1},
        "not_before": TIME,
        "not_after": TIME,
    }
    return _object(properties, required=("to",), closed=True)


def _paths() -> Schema:
    text = {"type": "string", "pattern": "^[ -~]{1,100}$"}
    listing = (
        _query("limit", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}, "Calls of one page."),
        _query("cursor", {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,200}$"}, "next_cursor of the page before."),
        _query("status", _closed_list(Status), "Only calls that stand there."),
        _query("direction", _closed_list(Direction), "Only these."),
        _query("agent", text, "Only calls of this agent."),
        _query("line", text, "Only calls of this number of ours."),
        _query("number", text, "Only calls from or to this number; its + is written %2B."),
        _query("since", TIME, "Offered then or later."),
        _query("until", TIME, "Offered before."),
    )
    whole = _query("agent", {"type": "boolean"}, "Also remove the agent's own conversation, where it offers that.")
    user = _query("user", {"type": "string", "pattern": "^[ -~]{1,200}$"}, "Whom the limit counts, for a shared key.")
    acting, changing = (ID, IDEMPOTENCY_KEY), (403, 409, 422, 502, 503)
    transfer = _object({"to": {**TEXT, "description": "A name of [transfers]."}}, closed=True)
    press = _object({"digits": DIGITS}, closed=True)
    public = _ref("PublicAgent")
    signed_url = {"anyOf": [_ref("SignedUrl"), public]}
    accepted = {202: _ref("Accepted")}
    reloaded = _object({"changed": _list(TEXT), "restart_needed": _list(TEXT), "detail": TEXT})
    return {
        "/api/v1/calls": {
            "get": operation("Calls, the newest first.", {200: _ref("Calls")}, errors=(422, 503), parameters=listing),
            "post": operation(
                "Place a call.",
                {202: _ref("Call")},
                errors=(400, 415, *changing),
                parameters=(IDEMPOTENCY_KEY,),
                body=_placing(),
            ),
        },
        "/api/v1/calls/{id}": {
            "get": operation("One call.", {200: _ref("Call")}, errors=(503,), parameters=(ID,)),
            "delete": operation("Remove an ended call.", {204: None}, errors=changing, parameters=(ID, whole)),
        },
        "/api/v1/calls/{id}/hangup": {
            "post": operation("End the call.", accepted, errors=changing, parameters=acting),
        },
        "/api/v1/calls/{id}/transfer": {
            "post": operation(
                "Send the call to a person.", accepted, errors=(400, 415, *changing), parameters=acting, body=transfer
            ),
        },
        "/api/v1/calls/{id}/digits": {
            "post": operation(
                "Press keys for the far end.", accepted, errors=(400, 415, *changing), parameters=acting, body=press
            ),
        },
        "/api/v1/calls/{id}/hold": {
            "post": operation(
                "Let the caller wait, two minutes at most; the agent stays.",
                accepted,
                errors=changing,
                parameters=acting,
            ),
        },
        "/api/v1/calls/{id}/resume": {
            "post": operation("End the hold.", accepted, errors=changing, parameters=acting),
        },
        "/api/v1/calls/{id}/recording": {
            "get": operation(
                "The recording, as FLAC or Ogg Opus.",
                {200: None},
                errors=(503,),
                parameters=(ID,),
                kinds=("audio/flac", "audio/ogg"),
            ),
        },
        "/api/v1/calls/{id}/recording/pause": {
            "post": operation("Leave silence in the recording.", accepted, errors=changing, parameters=acting),
        },
        "/api/v1/calls/{id}/recording/resume": {
            "post": operation("Record again.", accepted, errors=changing, parameters=acting),
        },
        "/api/v1/agents/{name}/signed-url": {
            "get": operation(
                "A socket URL for one conversation.", {200: signed_url}, errors=(403, 422, 502), parameters=(NAME, user)
            ),
        },
        "/api/v1/agents/{name}/token": {
            "get": operation(
                "A token for one conversation.",
                {200: {"anyOf": [_ref("Token"), public]}},
                errors=(403, 422, 502),
                parameters=(NAME, user),
            ),
        },
        "/api/v1/chat": {
            "post": operation(
                "Say something to an agent that chats, and get its answer.",
                {200: _object({"conversation_id": TEXT, "reply": TEXT})},
                errors=(400, 404, 415, 422, 502, 503),
                body={
                    "type": "object",
                    "required": ["agent", "message"],
                    "properties": {
                        "agent": {"type": "string"},
                        "message": {"type": "string"},
                        "conversation_id": {"type": "string"},
                    },
                },
            )
        },
        "/api/v1/reload": {
            "post": operation("Read the configuration again.", {200: reloaded}, errors=changing),
        },
        **campaign_paths(operation, IDEMPOTENCY_KEY),
        "/api/v1/openapi.json": {"get": operation("This document.", {200: {"type": "object"}})},
    }


def document(public_url: str) -> Schema:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Callbridge operator API", "version": "1"},
        "servers": [{"url": public_url}] if public_url else [],
        "security": [{"key": []}],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "A key of [api] keys."}},
        },
    }
