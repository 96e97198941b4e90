"""Results as CSV."""

import csv
import io

import pytest

from bridge.outbound.table import HEAD, head, rows, safe
from bridge.store.campaigns import Target


def test_a_line_holds_what_its_head_says() -> None:
    """Every column stands under its name, and a missing call is empty."""
    target = Target(
        position=3, number="+12125550123", name="Ada", state="done", result="busy", tries=2, call_id="call_9", note="n"
    )
    bare = Target(position=4, number="", state="skipped", result="skipped", note="no such zone")
    first, second = csv.DictReader(io.StringIO(head() + rows([target, bare]), newline=""))
    assert first == {
        "line": "3",
        "number": "'+12125550123",
        "name": "Ada",
        "state": "done",
        "result": "busy",
        "calls": "2",
        "call_id": "call_9",
        "note": "n",
    }
    assert (second["number"], second["call_id"], second["note"]) == ("", "", "no such zone")
    assert tuple(first) == HEAD


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx", "\r=1", "\n=1"])
def test_no_cell_of_the_results_is_a_formula(cell: str) -> None:
    """What others wrote must not compute in a spreadsheet."""
    assert safe(cell) == "'" + cell
    (line,) = csv.reader(io.StringIO(rows([Target(position=1, number="", name=cell)]), newline=""))
    assert line[2] == "'" + cell


@pytest.mark.parametrize(
    ("cell", "safe_cell"),
    [
        ("Bob;=1+1", "Bob;'=1+1"),  # where the separator is a semicolon, it begins a cell of its own
        ("Bob\t@x", "Bob\t'@x"),
        ('a", "=1', 'a", "\'=1'),
        ("  =1+1", "'  =1+1"),
        ("\uff1d1+1", "'\uff1d1+1"),  # the wide form counts too
    ],
)
def test_no_part_of_a_cell_becomes_a_formula_either(cell: str, safe_cell: str) -> None:
    """A spreadsheet of another country cuts lines elsewhere."""
    assert safe(cell) == safe_cell


def test_plain_words_stay_as_they_are() -> None:
    """A name keeps its quotes, commas and line breaks through the file."""
    name = 'Ada "A", the\nfirst = best'
    assert safe(name) == name
    (line,) = csv.reader(io.StringIO(rows([Target(position=1, number="", name=name)]), newline=""))
    assert line[2] == name


def test_lines_end_as_the_format_has_it() -> None:
    """CRLF, the head's too (RFC 4180)."""
    assert head(("a", "b")) == "a,b\r\n"
    assert rows([Target(position=1, number="x")]).endswith("\r\n")
    assert rows([]) == ""
