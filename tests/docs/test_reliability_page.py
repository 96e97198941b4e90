"""The page about reliability, compared with the tests that it names."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| ([FRST])(\d+) .*? \| (.+) \|$", re.MULTILINE)


def test_every_row_names_tests_that_are_there() -> None:
    """F1 to F55 and R1 to R22, each once, each with a test that exists or with what is not had."""
    text = (ROOT / "docs" / "reliability.md").read_text()
    rows = ROW.findall(text)
    for letter, last in (("F", 55), ("R", 22)):
        assert [int(number) for kind, number, _ in rows if kind == letter] == list(range(1, last + 1))
    there = {
        node.name
        for file in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for letter, number, shown in rows:
        named = re.findall(r"`(test_\w+)`", shown)
        assert named or "not had" in shown or "fixture" in shown, f"{letter}{number}"
        assert set(named) <= there, f"{letter}{number}: {set(named) - there}"
