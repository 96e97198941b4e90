"""Arguments against their JSON Schema (2020-12); what is wrong is said in words that an agent can read out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable

from bridge.tools.asking import ToolProblem

FORMATS: Final = FormatChecker()
OURS: Final = ("call_id", "phone_number")  # say which call is meant; a schema need not know of them
MAX_WORDS: Final = 200  # characters of a list of choices

_TYPES: Final = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "empty",
}


class ArgumentRules:
    """One tool's schema. Raises ValueError, with what is wrong, for one that is no JSON Schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            raise ValueError(f"is no JSON Schema: {error.message[:MAX_WORDS]}") from None
        # An own registry: the library's default one would fetch a foreign $ref over the network.
        self._validator = Draft202012Validator(schema, registry=Registry(), format_checker=FORMATS)
        known = schema.get("properties")
        self._known = frozenset(known) if isinstance(known, dict) else frozenset()

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Raises ToolProblem with a sentence for the agent."""
        given = {name: value for name, value in arguments.items() if name in self._known or name not in OURS}
        try:
            error = best_match(self._validator.iter_errors(given))
        except (Unresolvable, RecursionError):
            raise ToolProblem("This tool is not set up correctly.", kind="bad_schema") from None
        if error is not None:
            raise ToolProblem(sentence(error), kind="bad_arguments")


def sentence(error: ValidationError) -> str:
    """What is wrong, and how to put it right."""
    where = ".".join(str(step) for step in error.absolute_path)
    subject = f"The argument {where}" if where else "The set of arguments"
    wanted: Any = error.validator_value
    match error.validator:
        case "required":
            missing = [name for name in wanted if isinstance(error.instance, dict) and name not in error.instance]
            inside = f" of {where}" if where else ""
            return (
                f"The argument {', '.join(map(str, missing))}{inside} is missing. Ask for it, then call the tool again."
            )
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else list(wanted)
            return f"{subject} must be {' or '.join(_TYPES.get(kind, kind) for kind in kinds)}."
        case "enum":
            return f"{subject} must be one of: {', '.join(map(str, wanted))[:MAX_WORDS]}."
        case "format":
            return f"{subject} must be written as a {wanted}."
        case "additionalProperties":
            return f"{subject} holds something that this tool does not take."
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            bound = "at least" if "inimum" in str(error.validator) else "at most"
            return f"{subject} must be {bound} {wanted}."
        case "minLength" | "maxLength" | "minItems" | "maxItems":
            bound = "short" if str(error.validator).startswith("min") else "long"
            return f"{subject} is too {bound}."
        case _:
            return f"{subject} is not as this tool needs it."
