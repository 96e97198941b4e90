"""What ``make audit`` passes and what it does not."""

import re
import sys
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from bench import audit

LOCK = "good-one==1.0 \\\n    --hash=sha256:00\nold_one[extra]==2.0 \\\n    --hash=sha256:00\n"
GOOD = {"name": "good-one", "version": "1.0", "vulns": []}
OLD = {"name": "old-one", "version": "2.0", "vulns": [{"id": "CVE-1", "fix_versions": ["2.1"]}]}
SKIPPED = {"name": "old-one", "skip_reason": "Dependency not found on PyPI and could not be audited: old-one (2.0)"}


def auditor(folder: Path, **answers: Any) -> list[str]:
    """A program that answers as pip-audit does: by source, JSON or words on the other channel."""
    program = folder / "auditor.py"
    program.write_text(
        f"import sys, json\nanswer = {answers!r}[sys.argv[sys.argv.index('--vulnerability-service') + 1]]\n"
        "if isinstance(answer, str):\n    sys.exit(answer)\nprint(json.dumps({'dependencies': answer}))\n"
    )
    return [sys.executable, str(program)]


@pytest.mark.parametrize(
    ("pypi", "osv", "code", "words"),
    [
        ([GOOD, {**OLD, "vulns": []}], "never asked", 0, "none known of 2"),
        ([GOOD, OLD], "never asked", 1, "old-one 2.0: CVE-1, mended in 2.1"),
        ([GOOD, SKIPPED], [GOOD, OLD], 1, "CVE-1"),
        ([GOOD, SKIPPED], [GOOD, SKIPPED], 3, "NOT AUDITED: of 1 of 2"),
        ([GOOD, SKIPPED], "no such host", 3, "no such host"),
        ("no such host", "no such host", 3, "NOT AUDITED: of 2 of 2"),
    ],
)
def test_what_was_not_seen_is_never_clean(
    pypi: Any, osv: Any, code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 only where somebody told of every package; 1 for a weakness, whoever told it; 3 where nobody told."""
    lock = tmp_path / "a.lock"
    lock.write_text(LOCK)
    assert audit.main(auditor(tmp_path, pypi=pypi, osv=osv), lock=lock) == code
    assert words in capsys.readouterr().out


def told(**headers: str) -> Any:
    """A package's metadata."""
    message = Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return message


@pytest.mark.parametrize(
    ("name", "headers", "passes"),
    [
        ("a", {"License_Expression": "MIT"}, True),
        ("a", {"Classifier": "License :: OSI Approved :: BSD License"}, True),
        ("a", {"License": "Apache 2.0\nall of its text"}, True),
        ("a", {"License_Expression": "MPL-2.0"}, True),
        ("a", {"License_Expression": "LGPL-2.1-or-later"}, True),
        ("a", {"License_Expression": "GPL-3.0-only OR MIT"}, True),
        ("a", {"License_Expression": "GPL-3.0-or-later"}, False),
        ("a", {"License": "AGPLv3"}, False),
        ("a", {"Classifier": "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"}, False),
        ("a", {"Classifier": "License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)"}, True),
        ("a", {}, False),
        ("picows", {}, True),
        ("espeakng-loader", {"License_Expression": "MIT"}, False),
        ("soundfile", {"License": "BSD 3-Clause License"}, True),
    ],
)
def test_licences(name: str, headers: dict[str, str], passes: bool) -> None:
    """Strong copyleft is found however it is told, and so is a package that tells nothing."""
    assert (audit.licences({name: told(**headers)}) == []) is passes


def test_the_real_lock_can_be_read() -> None:
    """Every line that names a package is seen, whatever extras and conditions it has."""
    lines = [line for line in audit.LOCK.read_text().splitlines() if not line.startswith((" ", "#"))]
    names = audit.locked(audit.LOCK.read_text())
    assert {re.split(r"[\[=]", line)[0] for line in lines} == names
    assert {"aiohttp", "pyjwt", "sqlalchemy"} <= names
