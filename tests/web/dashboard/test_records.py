"""Records for pages."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.datastructures import QueryParams

from bridge.call.record import CallRecord, Direction, Status, Turn
from bridge.web.dashboard.records import BATCH, COLUMNS, PAGE, Filter, Records, csv_lines, harmless
from tests.web.desk import kept


class Store:
    """Pages of records; the cursor is where the next begins."""

    def __init__(self, *records: CallRecord) -> None:
        self.records = list(records)
        self.limits: list[int] = []

    async def list(self, *, limit: int, cursor: str | None, **wanted: Any) -> Any:
        """A page."""
        self.limits.append(limit)
        at = int(cursor or 0)
        more = str(at + limit) if at + limit < len(self.records) else None
        return SimpleNamespace(calls=self.records[at : at + limit], next_cursor=more)

    async def elsewhere(self, instance: str) -> dict[str, tuple[int, int]]:
        """All of them but this instance's."""
        return {each.call_id: (each.status.rank, 0) for each in self.records if each.instance != instance}

    async def several(self, call_ids: Sequence[str]) -> Sequence[CallRecord]:
        """Those."""
        self.limits.append(len(call_ids))
        return [each for each in self.records if each.call_id in call_ids]


def many(count: int, **more: Any) -> list[CallRecord]:
    """Records."""
    return [kept(call_id=f"call_{number}", **more) for number in range(count)]


def test_a_filter_reads_what_makes_sense_and_tells_of_the_rest() -> None:
    """A day ends at its end; what is wrong is left out rather than guessed."""
    found = Filter(QueryParams("status=busy&direction=inbound&agent=a&since=2026-01-30&until=2026-01-31"))
    wanted = found.store_arguments()
    assert (wanted["status"], wanted["direction"], wanted["agent"], wanted["line"]) == (
        Status.BUSY,
        Direction.INBOUND,
        "a",
        None,
    )
    assert (wanted["until"] - wanted["since"]).days == 2
    assert found.problems == []
    wrong = Filter(QueryParams("status=over&direction=up&since=yesterday"))
    assert {wrong.store_arguments()[name] for name in ("status", "direction", "since")} == {None}
    assert len(wrong.problems) == 3


def test_a_search_finds_all_its_words_anywhere_in_the_record() -> None:
    """In any case, in what was said, in the ids and the outcome."""
    record = kept(turns=[Turn("caller", "My Straße is red.", 0)])
    for words in ("red", "RED call_kept", "strasse support", ""):
        assert Filter(QueryParams({"q": words})).matches(record)
    for words in ("blue", "red blue"):
        assert not Filter(QueryParams({"q": words})).matches(record)


async def test_a_fresher_record_of_this_process_takes_the_stores_place() -> None:
    """In lists and pages; none is there twice, the newest stands first."""
    old, fresh = kept(status=Status.RINGING), kept(status=Status.IN_PROGRESS)
    other = kept(call_id="call_2")
    records = Records(Store(old, other), lambda: [fresh], instance="here")  # type: ignore[arg-type]
    assert await records.in_progress() == [other, fresh]
    page, cursor = await records.page(Filter(QueryParams("")))
    assert (page, cursor) == ([fresh, other], None)


async def test_a_page_tells_where_the_next_begins() -> None:
    """And the next goes on there."""
    records = Records(Store(*many(PAGE + 1)), list, instance="here")  # type: ignore[arg-type]
    page, cursor = await records.page(Filter(QueryParams("")))
    assert len(page) == PAGE
    rest, end = await records.page(Filter(QueryParams({"cursor": cursor or ""})))
    assert ([each.call_id for each in rest], end) == ([f"call_{PAGE}"], None)


async def test_a_search_looks_further_than_one_page_but_not_for_ever() -> None:
    """What it has not looked into is where the next page begins."""
    store = Store(*many(5000))
    page, cursor = await Records(store, list, instance="here").page(Filter(QueryParams("q=nothing")))  # type: ignore[arg-type]
    assert page == []
    assert cursor == "2000"


async def test_an_export_is_bounded() -> None:
    """No more than asked for, however many there are."""
    records = Records(Store(*many(500)), list, instance="here")  # type: ignore[arg-type]
    assert len([each async for each in records.all({}, limit=250)]) == 250
    assert len([each async for each in records.all({}, limit=900)]) == 500


@pytest.mark.parametrize("text", ["=1+1", "+15550100", "-1", "@x", "\tx", "\rx"])
def test_no_cell_is_a_formula(text: str) -> None:
    """Whatever a caller has put into it is text; None is nothing."""
    assert harmless(text) == f"'{text}"
    assert (harmless(None), harmless("a=1"), harmless(7)) == ("", "a=1", "7")


def test_a_line_has_all_columns() -> None:
    """Commas and quotes in a name stay in their cell."""
    (line,) = csv_lines([kept(agent='a,"b')]).splitlines()
    assert '"a,""b"' in line
    assert line.replace('"a,""b"', "").count(",") == len(COLUMNS) - 1


async def test_the_store_is_read_in_small_pieces() -> None:
    """A record is taken apart in the event loop, where the sound waits: never many at once, however many are looked at."""
    store = Store(*many(120))
    records = Records(store, list, instance="here")  # type: ignore[arg-type]
    assert len([each async for each in records.all({}, limit=110)]) == 110
    assert len(await records.in_progress()) == 120
    await records.page(Filter(QueryParams("q=nothing")))
    assert max(store.limits) <= BATCH
