"""The page about security, compared with the tests that it names."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
NUMBERED = re.compile(r"^\| (?:T(\d+)|number) \| ")


def test_every_test_that_the_page_names_is_there() -> None:
    """Each control names tests, and each of them exists."""
    text = (ROOT / "docs" / "security.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) > 60
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text())
        found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert name in found, f"{path} has no {name}"
    rows = [line for line in text.splitlines() if line.startswith("| ") and not NUMBERED.match(line)]
    assert all("`tests/" in row for row in rows[1:])


def test_every_threat_by_number_names_tests_that_are_there() -> None:
    """T1 to T42, each once; where no test is named, words say what holds instead."""
    text = (ROOT / "docs" / "security.md").read_text()
    rows = [(int(found[1]), line) for line in text.splitlines() if (found := NUMBERED.match(line)) and found[1]]
    assert [number for number, _ in rows] == list(range(1, 43))
    there = {
        node.name
        for file in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for number, line in rows:
        named = re.findall(r"`(test_\w+)`", line)
        assert set(named) <= there, f"T{number}: {set(named) - there}"
        assert named or number in {30, 31, 38}, f"T{number}"
