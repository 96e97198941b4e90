"""Results as CSV that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Final

from bridge.store.campaigns import Target

HEAD: Final = ("line", "number", "name", "state", "result", "calls", "call_id", "note")
_RISKY: Final = "=+\\-@\uff1d\uff0b\uff0d\uff20"  # in a class; the wide forms compute too
_FORMULA: Final = re.compile(rf"\A(?=\s*[{_RISKY}]|[\t\r\n])|(?<=[;,\t|\"])(?=\s*[{_RISKY}])")


def rows(targets: Iterable[Target]) -> str:
    """One line for each person."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180
    for each in targets:
        cells = (each.number, each.name, each.state, each.result, str(each.tries), each.call_id or "", each.note)
        writer.writerow([each.position, *map(safe, cells)])
    return out.getvalue()


def head(names: Sequence[str] = HEAD) -> str:
    """The first line."""
    return ",".join(names) + "\r\n"


def safe(cell: str) -> str:
    """With an apostrophe where a spreadsheet would compute: what people are called is written by others.

    Behind a separator too: which one begins a cell depends on the country that the spreadsheet is set to.
    """
    return _FORMULA.sub("'", cell)
