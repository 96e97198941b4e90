"""The fenced blocks of the pages that people write, each with the mark that stands before it.

::

    <!-- test: KIND -->       a test executes it: what the kinds mean is told in test_docs.py and test_commands.py
    <!-- not run: REASON -->  nothing can execute it here, or it is no command at all

The pages of docs/reference are written by the code and compared with it; they have no marks.
"""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "deploy/README.md"])
WRITTEN = [page for page in PAGES if page.parent.name != "reference"]
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"<!-- (test|not run): (.+?) -->\s*$")


@dataclass(frozen=True)
class Block:
    """One. ``kind``: of its test; "" where it has none. ``reason``: why it is not run."""

    where: str
    text: str
    kind: str = ""
    reason: str = ""


def of(page: Path) -> list[Block]:
    """Those of a page, in order."""
    text = page.read_text()
    found = []
    for match in BLOCK.finditer(text):
        before = text[: match.start()].rstrip()
        where = f"{page.relative_to(ROOT)}:{before.count(chr(10)) + 2}"
        mark = MARK.search(before.rpartition("\n")[2])
        name, value = mark.groups() if mark else ("", "")
        kind, reason = (value if name == "test" else ""), (value if name == "not run" else "")
        found.append(Block(where, textwrap.dedent(match[2]), kind, reason))
    return found


BLOCKS = [block for page in WRITTEN for block in of(page)]


def kind(name: str) -> list[Block]:
    """All of a kind."""
    return [block for block in BLOCKS if block.kind == name]


def commands(text: str) -> list[str]:
    """The commands of a block: continued lines joined, comments and prompts left out."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
