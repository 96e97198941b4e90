"""Every secret of a configuration, for the redactor of the log."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from bridge.call.ports import Secret


def secrets_of(settings: Any) -> list[Secret]:
    """Every Secret in a tree of dataclasses, mappings and tuples. Of a database's URL only the password is one."""
    found = []
    for secret in _walk(settings):
        text = secret.reveal()
        if "://" in text:
            password = urlsplit(text).password
            found += [Secret(password), Secret(unquote(password))] if password else []
        elif text:
            found.append(secret)
    return found


def _walk(value: Any) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _walk(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _walk(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _walk(item)
