"""Programs that read the examples of ``deploy/``: those that ``make deploy-tools`` brings, else those of the machine."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BROUGHT = ROOT / ".venv-deploy/bin"


def program(name: str) -> str:
    """Where it is, else the test is skipped with a word."""
    found = shutil.which(name, path=str(BROUGHT)) or shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed here (make deploy-tools brings some of them)")
    return found


def brought(name: str) -> str:
    """The one that ``make deploy-tools`` brings, and no other: a version that is known."""
    found = shutil.which(name, path=str(BROUGHT))
    if found is None:
        pytest.skip(f"{name} is not installed here (make deploy-tools)")
    return found
