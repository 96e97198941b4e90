"""The description of what places many calls: campaigns, and the list of who is not to be called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

Schema = dict[str, Any]
ANY: Final[Schema] = {"type": "object"}
TEXT: Final[Schema] = {"type": "string"}
ERRORS: Final = (400, 403, 409, 415, 422, 503)


def _path(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": TEXT}


def campaign_paths(operation: Callable[..., Schema], key: Schema) -> Schema:
    """Paths of campaigns and suppressions. ``operation``: as in ``openapi.py``; ``key``: the Idempotency-Key."""
    one = (_path("id"),)
    verb = {**_path("verb"), "schema": {"type": "string", "enum": ["start", "pause", "resume", "cancel"]}}
    form = {"name": "format", "in": "query", "schema": {"type": "string", "enum": ["json", "csv"], "default": "csv"}}
    after = {"name": "after", "in": "query", "description": "The last number of the page before.", "schema": TEXT}
    listing = operation("All campaigns.", {200: ANY}, errors=ERRORS)
    return {
        "/api/v1/campaigns": {
            "get": listing,
            "post": operation("Make a campaign of a list.", {201: ANY}, errors=ERRORS, parameters=(key,), body=ANY),
        },
        "/api/v1/campaigns/preview": {
            "post": operation("What would become of a list.", {200: ANY}, errors=ERRORS, body=ANY),
        },
        "/api/v1/campaigns/{id}": {
            "get": operation("How a campaign stands.", {200: ANY}, errors=ERRORS, parameters=one),
            "patch": operation("Change its rules.", {200: ANY}, errors=ERRORS, parameters=one, body=ANY),
        },
        "/api/v1/campaigns/{id}/results": {
            "get": operation(
                "What became of each number, as CSV or JSON.",
                {200: ANY},
                errors=ERRORS,
                parameters=(*one, form),
                kinds=("text/csv",),
            ),
        },
        "/api/v1/campaigns/{id}/{verb}": {
            "post": operation(
                "Start, pause, resume or cancel it.", {202: ANY}, errors=ERRORS, parameters=(*one, verb, key)
            ),
        },
        "/api/v1/suppressions": {
            "get": operation("Numbers that are never called.", {200: ANY}, errors=ERRORS, parameters=(after,)),
            "post": operation("Add numbers.", {200: ANY}, errors=ERRORS, body=ANY),
        },
        "/api/v1/suppressions/{number}": {
            "delete": operation(
                "Take a number off the list.", {204: None}, errors=ERRORS, parameters=(_path("number"),)
            ),
        },
    }
