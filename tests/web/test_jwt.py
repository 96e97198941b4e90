"""Tokens of an issuer."""

import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from bridge.web.jwt import AGAIN_S, Issuer, TokenJudge
from tests.support.deployment import deployed

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ISSUER, AUDIENCE = "https://id.example.com/", "callbridge"


class Keys:
    """The issuer's address."""

    def __init__(self) -> None:
        public = json.loads(RSAAlgorithm.to_jwk(RSA_KEY.public_key())) | {"kid": "one"}
        curve = json.loads(ECAlgorithm.to_jwk(EC_KEY.public_key())) | {"kid": "two"}
        self.body = json.dumps({"keys": [public, curve]})
        self.status = 200
        self.asked = 0
        self.url = ""

    async def serve(self, request: web.Request) -> web.Response:
        """What it answers."""
        self.asked += 1
        return web.Response(status=self.status, text=self.body)


@pytest.fixture
async def keys() -> AsyncIterator[Keys]:
    """One that runs."""
    keys = Keys()
    app = web.Application()
    app.router.add_get("/keys", keys.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    keys.url = f"http://127.0.0.1:{runner.addresses[0][1]}/keys"
    yield keys
    await runner.cleanup()


class Clock:
    """Time that passes when told to."""

    now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


@pytest.fixture
def judge(keys: Keys, clock: Clock) -> TokenJudge:
    """Of that issuer."""
    return TokenJudge(Issuer(ISSUER, AUDIENCE, keys.url), clock=clock)


def token(key: Any = RSA_KEY, *, algorithm: str = "RS256", kid: str = "one", **claims: Any) -> str:
    """A token; a claim that is None is left out."""
    body = {"iss": ISSUER, "aud": AUDIENCE, "sub": "anna", "exp": time.time() + 300} | claims
    kept = {name: value for name, value in body.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers={"kid": kid})


async def test_a_right_token_proves_its_user(judge: TokenJudge, keys: Keys) -> None:
    """Signed by a key of the issuer, for us, and in time; the keys are fetched once."""
    assert await judge(token()) == "anna"
    assert await judge(token(EC_KEY, algorithm="ES256", kid="two", sub="bert")) == "bert"
    assert keys.asked == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: token(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        lambda: token(EC_KEY, algorithm="ES256", kid="one"),
        lambda: token("x" * 32, algorithm="HS256"),
        lambda: token(None, algorithm="none"),
        lambda: token(algorithm="RS512"),
        lambda: token(kid="three"),
        lambda: token(exp=time.time() - 3600),
        lambda: token(exp=None),
        lambda: token(nbf=time.time() + 3600),
        lambda: token(iss="https://evil.example.com/"),
        lambda: token(iss=None),
        lambda: token(aud="another"),
        lambda: token(aud=None),
        lambda: token(sub=None),
        lambda: token(sub=""),
        lambda: token(sub="x" * 201),
        lambda: token(sub="a\nb"),
        lambda: token()[:-4] + "AAAA",
        lambda: "a.b.c",
        lambda: "..",
        lambda: "x" * 10_000 + ".a.b",
    ],
)
async def test_any_other_token_proves_nothing(judge: TokenJudge, make: Callable[[], str]) -> None:
    """Another key, algorithm, issuer, audience or time, no signature at all, or garbage: nobody."""
    assert await judge(make()) is None


async def test_unknown_keys_do_not_make_us_ask_again_and_again(judge: TokenJudge, keys: Keys, clock: Clock) -> None:
    """Whoever invents key ids causes one request in half a minute; a key that the issuer adds is found after that."""
    for number in range(100):
        assert await judge(token(kid=f"invented-{number}")) is None
    assert keys.asked == 1
    clock.now += AGAIN_S
    keys.body = keys.body.replace('"one"', '"new"')
    assert await judge(token(kid="new")) == "anna"
    assert keys.asked == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, "{}"), (302, "{}"), (200, "x"), (200, "[]"), (200, '{"keys": [{"kty": "RSA"}]}')],
)
async def test_an_issuer_that_fails_admits_nobody(judge: TokenJudge, keys: Keys, status: int, body: str) -> None:
    """Without keys there is no proof, and no error either."""
    keys.status, keys.body = status, body
    assert await judge(token()) is None


async def test_keys_outlive_an_issuer_that_is_away_for_a_while(judge: TokenJudge, keys: Keys, clock: Clock) -> None:
    """What was fetched before still counts while the issuer does not answer."""
    assert await judge(token()) == "anna"
    keys.status = 503
    clock.now += 3600
    assert await judge(token()) == "anna"
    assert keys.asked == 2


async def test_a_user_of_the_issuer_gets_credentials_and_nothing_else(keys: Keys, tmp_path: Path) -> None:
    """Over a whole bridge: the token opens the two routes for credentials, limited by its user, and no other route."""
    more = f'[api.jwt]\nissuer = "{ISSUER}"\naudience = "{AUDIENCE}"\njwks_url = "{keys.url}"\n'
    async with deployed(tmp_path, more=more) as all_:
        path = "/api/v1/agents/support/signed-url"
        right = token()
        answers = [(await all_.ask("GET", f"{path}?user={number}", key=right)).status for number in range(12)]
        assert answers == [200] * 10 + [429] * 2
        assert (await all_.ask("GET", path, key=token(sub="bert"))).status == 200
        assert (await all_.ask("GET", path, key=token(aud="another"))).status == 401
        assert (await all_.ask("GET", "/api/v1/calls", key=right)).status == 401


async def test_an_issuer_is_enough_where_there_are_no_keys(keys: Keys, tmp_path: Path) -> None:
    """Its users get credentials; to everybody else the API is not there."""
    more = f'[api.jwt]\nissuer = "{ISSUER}"\naudience = "{AUDIENCE}"\njwks_url = "{keys.url}"\n'
    async with deployed(tmp_path, more=more) as all_:
        file = tmp_path / "bridge.toml"
        lines = file.read_text().splitlines()
        file.write_text("\n".join(line for line in lines if not line.startswith("keys = ")))
        all_.house.reloading.load = lambda: type(all_.house.settings).load(str(file), {})
        assert (await all_.house.reloading.reload())["changed"] == ["api.keys"]
        path = "/api/v1/agents/support/signed-url"
        assert (await all_.ask("GET", path, key=token())).status == 200
        assert (await all_.ask("GET", path, key=token(aud="another"))).status == 404
        assert (await all_.ask("GET", "/api/v1/calls", key=token())).status == 404
