"""``BRIDGE_SECTION__KEY``: the environment laid over the file's tables."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final

from bridge.settings.model import Settings
from bridge.settings.report import Path, Report
from bridge.settings.shapes import Kind, Shape, describe
from bridge.settings.sources import Verbatim

PREFIX: Final = "BRIDGE_"


def settings_in(environ: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The variables that are settings, with their segments, outer keys first.

    Only names with ``__`` or naming a top-level key are: BRIDGE_CONFIG, BRIDGE_API_KEY, and what container engines put
    there for a service named "bridge" (BRIDGE_PORT, BRIDGE_SERVICE_HOST), are not.
    """
    top = {item.name for item in dataclasses.fields(Settings) if not item.metadata.get("computed")}
    found = {}
    for name in environ:
        if name.upper().startswith(PREFIX):
            segments = tuple(name[len(PREFIX) :].lower().split("__"))
            if len(segments) > 1 or segments[0] in top:
                found[name] = segments
    return dict(sorted(found.items(), key=lambda item: (len(item[1]), item[0])))


def overlay(tree: dict[str, Any], environ: Mapping[str, str], report: Report) -> None:
    """Put every setting of the environment into ``tree``, and note in ``report`` which variable gave what."""
    seen: dict[tuple[str, ...], str] = {}
    for name, segments in settings_in(environ).items():
        origin = f"environment, {name}"
        if segments in seen:
            report.origins[segments] = origin
            report.add(segments, f"is set by {seen[segments]} too", "Unset one of them.")
            continue
        seen[segments] = name
        place(tree, segments, Verbatim(environ[name]), origin, report)


def collector(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """The variable that names an OpenTelemetry collector, and where it takes traces; None where none is to be told.

    "OpenTelemetry Protocol Exporter" and "Environment Variable Specification": the general endpoint is a base, the one of
    traces is not; other protocols than OTLP/HTTP we do not speak.
    """
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return None
    general, own = "OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"
    if (environ.get(own + "PROTOCOL") or environ.get(general + "PROTOCOL") or "http/protobuf") != "http/protobuf":
        return None
    if environ.get(own + "ENDPOINT"):
        return own + "ENDPOINT", environ[own + "ENDPOINT"]
    if environ.get(general + "ENDPOINT"):
        return general + "ENDPOINT", environ[general + "ENDPOINT"].rstrip("/") + "/v1/traces"
    return None


def place(tree: dict[str, Any], segments: tuple[str, ...], value: Any, origin: str, report: Report) -> None:
    """Put one value where ``segments`` say, making the tables on the way there. What cannot be placed is a mistake."""
    holder: Any = tree
    kind: Any = Settings
    path: Path = ()
    for position, segment in enumerate(segments):
        shape = describe(kind)
        key, problem = _find(segment, holder, shape)
        path = (*path, key)
        if problem or segment == "":
            report.origins[path] = origin
            report.add(
                path,
                problem or "has an empty part in its name",
                "Write BRIDGE_SECTION__KEY, such as BRIDGE_SERVER__PORT.",
            )
            return
        kind = shape.child(key, holder)
        if position == len(segments) - 1:
            # what was said about the parts of the value that is replaced holds no longer
            for old in [known for known in report.origins if known[: len(path)] == path]:
                del report.origins[old]
            report.origins[path] = origin
            _put(holder, key, value)
            return
        below = holder[key] if _has(holder, key) else None
        inner = describe(kind)
        below = _opened(below, inner)
        if not isinstance(below, (dict, list)):
            report.origins[path] = origin
            report.add(
                path,
                "is not a table, so it has no such key",
                "Take the last part of the name off, or check its spelling.",
            )
            return
        if not _has(holder, key):
            report.origins[path] = origin
        _put(holder, key, below)
        holder = below


def _find(segment: str, holder: dict[str, Any] | list[Any], shape: Shape) -> tuple[str | int, str]:
    """The key that a segment means, and what is wrong with it ("" where nothing is)."""
    if isinstance(holder, list):
        if segment.isdecimal() and segment.isascii() and len(segment) < 6 and int(segment) <= len(holder):
            return int(segment), ""
        return segment[:64], "is not the number of an entry: they count from 0 and leave no gap"
    if shape.kind is not Kind.MAPPING:
        return segment, ""
    folded = [name for name in holder if name.lower().replace("-", "_") == segment.replace("-", "_")]
    exact = [name for name in folded if name.lower() == segment]
    if len(folded) > 1 and len(exact) != 1:
        return segment, "could mean more than one name of the file"
    return (exact or folded or [segment])[0], ""


def _opened(value: Any, shape: Shape) -> Any:
    """A value that something is to be put into: made anew, or unfolded from JSON or its short form."""
    if value is None:
        return [] if shape.kind is Kind.LIST else {}
    if isinstance(value, str) and not isinstance(value, Verbatim) and shape.shorthand:
        return {shape.shorthand: value}
    return unfold(value, shape) if isinstance(value, Verbatim) else value


def unfold(text: Verbatim, shape: Shape) -> Any:
    """A text of the environment as the list or table that is wanted; the text itself where it cannot be one."""
    stripped = text.strip()
    if stripped.startswith("[" if shape.kind is Kind.LIST else "{"):
        try:
            return _verbatim(json.loads(stripped, parse_constant=_refuse))
        except (ValueError, RecursionError):
            return text
    if shape.kind is Kind.LIST:
        return [Verbatim(part.strip()) for part in text.split(",") if part.strip()]
    return {shape.shorthand: text} if shape.shorthand else text


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")  # RFC 8259, 6


def _verbatim(value: Any) -> Any:
    if isinstance(value, str):
        return Verbatim(value)
    if isinstance(value, list):
        return [_verbatim(item) for item in value]
    if isinstance(value, dict):
        return {key: _verbatim(item) for key, item in value.items()}
    return value


def _has(holder: dict[str, Any] | list[Any], key: str | int) -> bool:
    return isinstance(key, int) and key < len(holder) if isinstance(holder, list) else key in holder


def _put(holder: Any, key: str | int, value: Any) -> None:
    if isinstance(holder, list) and key == len(holder):
        holder.append(value)
    else:
        holder[key] = value
