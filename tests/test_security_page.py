"""The page about security, compared with the tests that it names."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_test_that_the_page_names_is_there() -> None:
    """Each control names tests, and each of them exists."""
    text = (ROOT / "docs" / "security.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) > 60
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text())
        found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert name in found, f"{path} has no {name}"
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert all("`tests/" in row for row in rows[1:])
