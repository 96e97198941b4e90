"""Strict shapes of JSON messages."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

Shape = Any  # a type, a tuple of types, a set of allowed values, or a dict of fields ("name?" where optional)


def problems(value: Any, shape: Shape, where: str = "message") -> list[str]:
    """What of `value` is not as `shape` has it: missing, undocumented or wrong fields."""
    if isinstance(shape, set):
        return [] if value in shape else [f"{where} is {value!r}, not one of {sorted(map(str, shape))}"]
    if not isinstance(shape, Mapping):
        fits = isinstance(value, shape) and not (isinstance(value, bool) and shape is int)
        return [] if fits else [f"{where} is {type(value).__name__} {str(value)[:40]!r}, not {shape}"]
    if not isinstance(value, dict):
        return [f"{where} is {type(value).__name__}, not an object"]
    fields = {name.rstrip("?"): (inner, name.endswith("?")) for name, inner in shape.items()}
    found = [f"{where}.{key} is undocumented" for key in value if key not in fields]
    for name, (inner, optional) in fields.items():
        if name in value:
            found += problems(value[name], inner, f"{where}.{name}")
        elif not optional:
            found.append(f"{where}.{name} is missing")
    return found


def strict_base64(text: str) -> bytes:
    """Decode the standard alphabet with its padding and nothing else; ValueError otherwise."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"not base64 ({error})") from None
    if base64.b64encode(data).decode() != text:
        raise ValueError("not canonical base64")
    return data
