"""bridge/web/grants.py: one-time grants, with a store and without."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.errors import StoreUnavailable
from bridge.web import grants
from bridge.web.grants import GrantOffice

CALL = {"carrier_call_id": "CA1", "account_id": "AC1"}


class Store:
    """What all instances share. ``away``: it fails; ``hangs``: it does not answer."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.away = self.hangs = False

    async def _answer(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.away:
            raise StoreUnavailable("away")

    async def mint(self, token_hash: str, **facts: Any) -> None:
        """Keep."""
        await self._answer()
        self.kept[token_hash] = facts

    async def consume(self, token_hash: str, *, carrier_call_id: str, account_id: str, now: datetime) -> str | None:
        """Once."""
        await self._answer()
        found = self.kept.get(token_hash)
        if found is None or (found["carrier_call_id"], found["account_id"]) != (carrier_call_id, account_id):
            return None
        if found["expires_at"] <= now:
            return None
        del self.kept[token_hash]
        return str(found["call_id"])


@pytest.fixture
def store() -> Store:
    """An empty one."""
    return Store()


async def minted(office: GrantOffice) -> str:
    """A grant of call_1."""
    token = office.token()
    await office.mint(token, call_id="call_1", **CALL)
    return token


async def test_a_grant_admits_once(store: Store) -> None:
    """The first who brings it, nobody else."""
    office = GrantOffice(store)
    token = await minted(office)
    assert await office.redeem(token, **CALL) == "call_1"
    assert await office.redeem(token, **CALL) is None


async def test_another_instance_redeems_it_too(store: Store) -> None:
    """And then the one that minted it does not."""
    office, other = GrantOffice(store), GrantOffice(store)
    token = await minted(office)
    assert await other.redeem(token, **CALL) == "call_1"
    assert await office.redeem(token, **CALL) is None


@pytest.mark.parametrize("wrong", [{"carrier_call_id": "CA2"}, {"account_id": "AC2"}])
async def test_it_is_bound_to_its_call_and_account_and_not_spent_by_others(wrong: dict[str, str], store: Store) -> None:
    """A thief does not even spoil it."""
    office = GrantOffice(store)
    token = await minted(office)
    assert await office.redeem(token, **(CALL | wrong)) is None
    assert await office.redeem(token, **CALL) == "call_1"


@pytest.mark.parametrize("token", ["", "unknown", "x" * 101, "\udcff"])
async def test_what_is_no_grant_admits_nobody(token: str, store: Store) -> None:
    """Empty, unknown, endless, not even text."""
    assert await GrantOffice(store).redeem(token, **CALL) is None


async def test_a_race_has_one_winner(store: Store) -> None:
    """Two sockets with the same grant at the same time."""
    office = GrantOffice(store)
    token = await minted(office)
    found = await asyncio.gather(*(office.redeem(token, **CALL) for _ in range(10)))
    assert sorted(found, key=str) == [None] * 9 + ["call_1"]


@pytest.mark.parametrize("how", ["away", "hangs"])
async def test_without_a_store_the_minting_instance_decides_alone(how: str, store: Store) -> None:
    """Once, too; others take nothing."""
    setattr(store, how, True)
    office, other = GrantOffice(store), GrantOffice(store)
    token = await minted(office)
    assert await other.redeem(token, **CALL) is None
    assert await office.redeem(token, **CALL) == "call_1"
    assert await office.redeem(token, **CALL) is None
    store.away = store.hangs = False
    assert await office.redeem(token, **CALL) is None


async def test_a_store_that_goes_away_after_the_minting_stops_nobody(store: Store) -> None:
    """Memory is enough."""
    office = GrantOffice(store)
    token = await minted(office)
    store.away = True
    assert await office.redeem(token, **CALL) == "call_1"
    store.away = False
    assert await office.redeem(token, **CALL) is None


async def test_a_grant_lives_for_a_minute(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the monotonic clock, here."""
    office = GrantOffice(store)
    token = await minted(office)
    later = grants.time.monotonic() + grants.LIFE_S + 1
    monkeypatch.setattr(grants.time, "monotonic", lambda: later)
    assert await office.redeem(token, **CALL) is None


async def test_where_the_store_is_known_to_be_away_it_is_not_asked(store: Store) -> None:
    """A caller is waiting."""
    office = GrantOffice(store)
    token = office.token()
    await office.mint(token, call_id="call_1", store=False, **CALL)
    assert store.kept == {}
    assert await office.redeem(token, **CALL) == "call_1"


def test_tokens_cannot_be_guessed(store: Store) -> None:
    """192 bits each, never the same."""
    tokens = {GrantOffice(store).token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(len(token) == 32 for token in tokens)


async def test_the_store_never_sees_a_token(store: Store) -> None:
    """Only its fingerprint."""
    token = await minted(GrantOffice(store))
    assert token not in str(store.kept)
    assert datetime.now(UTC) < next(iter(store.kept.values()))["expires_at"]


async def test_who_minted_a_grant_knows_it_used_or_not(store: Store) -> None:
    """Another instance does not, though it may redeem it."""
    one, two = GrantOffice(store), GrantOffice(store)
    token = await minted(one)
    assert (one.minted(token), two.minted(token)) == (True, False)
    assert await two.redeem(token, **CALL) == "call_1"
    assert (one.minted(token), two.minted(token)) == (True, False)
    assert not one.minted("")
