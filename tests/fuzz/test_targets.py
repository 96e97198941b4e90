"""Everything that ever broke a parser, and the seeds, played again."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

SEEDS = [(file.parent.name, file) for file in sorted((Path(__file__).parent / "corpus").glob("*/*"))]


@pytest.mark.parametrize(("name", "file"), SEEDS, ids=[f"{name}-{file.name}" for name, file in SEEDS])
def test_what_is_in_the_corpus_breaks_nothing(name: str, file: Path) -> None:
    """A crash that was found once is never met again."""
    TARGETS[name](file.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_bytes_of_any_kind_break_nothing(name: str) -> None:
    """Each parser answers anything with events, or with its one kind of error."""

    @settings(max_examples=150, deadline=None)
    @given(st.binary(max_size=600))
    def holds(data: bytes) -> None:
        TARGETS[name](data)

    holds()
