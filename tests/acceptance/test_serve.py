"""``callbridge serve`` as its users start and stop it."""

import contextlib
import json
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.acceptance.bridge import TOKEN, configuration, run, xuna
from tests.acceptance.conftest import Serve
from tests.standins.xuna import Xuna


async def test_the_first_sigterm_drains_and_exits_with_0(serve: Serve, tmp_path: Path) -> None:
    """A live call goes on after SIGTERM, new ones are told so, /readyz says 503, and the exit code is 0."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await server.session()
            await call.streaming()
            bridge.signal(signal.SIGTERM)
            await bridge.until_status("/readyz", 503)
            assert await bridge.status("/healthz") == 200
            await session.say(0.5)
            await call.hears(0.4)
            other = await carrier.call(from_="+15550123499")
            assert await other.ended() == "completed"
            assert other.said
            assert not other.streams
            await session.close(1000)
            assert await call.ended() == "completed"
            assert await bridge.stopped() == 0


@pytest.mark.parametrize("arguments", [(), ("--single",)])
async def test_a_second_signal_ends_at_once(serve: Serve, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Who cannot wait for the drain sends SIGTERM again: calls are cut, and their records say so."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server)), *arguments)
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            await server.session()
            await call.streaming()
            bridge.signal(signal.SIGTERM)
            await bridge.until_status("/readyz", 503)
            bridge.signal(signal.SIGTERM)
            assert await bridge.stopped(timeout=5) == 1
            await call.hang_up()
    with contextlib.closing(sqlite3.connect(tmp_path / "calls.db")) as database:
        assert database.execute("SELECT outcome FROM calls").fetchall() == [("drain_timeout",)]


async def test_a_second_signal_waits_for_no_store(serve: Serve, tmp_path: Path) -> None:
    """Nor for anything else that hangs: a supervisor would kill us."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            await server.session()
            await call.streaming()
            with contextlib.closing(sqlite3.connect(tmp_path / "calls.db", isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                bridge.signal(signal.SIGTERM)
                await bridge.until_status("/readyz", 503)
                bridge.signal(signal.SIGTERM)
                assert await bridge.stopped(timeout=5) == 1
            await call.hang_up()


async def test_standard_output_is_json_lines_without_secrets_numbers_or_words(serve: Serve, tmp_path: Path) -> None:
    """Every line parses, each call has one canonical line, and nothing private is in any."""
    async with Xuna() as server:
        bridge = await serve(configuration(tmp_path, xuna(server)))
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await server.session()
            await call.streaming()
            await session.say(0.3, text="A very private answer.")
            await session.user_transcript("A very private question?")
            await call.hears(0.2)
            await session.close(1000)
            await call.ended()
        bridge.signal(signal.SIGTERM)
        assert await bridge.stopped() == 0
        for line in bridge.lines:
            json.loads(line)
        ended = [line for line in bridge.log if line["event"] == "call_ended"]
        assert len(ended) == 1
        assert "private" not in bridge.text
        assert "5550123456" not in bridge.text
        assert server.api_key not in bridge.text
        assert not any(token in bridge.text for token in server.used)


async def test_all_mistakes_of_a_configuration_are_told_at_once(tmp_path: Path) -> None:
    """Exit 2; each line has the file, the key and the remedy; no secret is among them."""
    file = tmp_path / "wrong.toml"
    file.write_text(
        """
public_url = "http://bridge.example.com"
colour = "blue"
[carriers.twilio]
account_sid = "AC123"
auth_token = "x"
[agents.support]
provider = "xuna"
agent_id = "agent_1"
api_key = "${NOT_SET_ANYWHERE}"
base_url = "https://user:hunter2@api.xuna.ai"
[[lines]]
number = "12345"
agent = "nobody"
max_duration_s = "long"
"""
    )
    done = await run("serve", "--config", str(file), folder=tmp_path)
    assert done.code == 2
    for key in (
        *(
            "public_url",
            "colour",
            "carriers.twilio.account_sid",
            "carriers.twilio.auth_token",
            "agents.support.api_key",
        ),
        *("agents.support.base_url", "lines[0].number", "lines[0].agent", "lines[0].max_duration_s"),
    ):
        line = next((line for line in done.err.splitlines() if key in line), None)
        assert line is not None, f"{key} is not told of:\n{done.err}"
        assert "wrong.toml" in line
    assert "hunter2" not in done.err + done.out
    assert done.out == ""


async def test_a_port_in_use_is_one_clear_line_and_exit_1(serve: Serve, tmp_path: Path) -> None:
    """Nobody is left to guess."""
    async with Xuna() as server:
        text = configuration(tmp_path, xuna(server))
        bridge = await serve(text)
        done = await run(
            "serve", "--config", str(tmp_path / "bridge.toml"), "--port", str(bridge.port), folder=tmp_path
        )
        assert done.code == 1
        assert len(done.err.strip().splitlines()) == 1
        assert str(bridge.port) in done.err


async def test_the_configuration_is_found_where_the_contract_says(tmp_path: Path) -> None:
    """--config, else $BRIDGE_CONFIG, else config/bridge.toml; a file that is missing is a mistake."""
    for arguments, env, name in (
        (["--config", "nowhere.toml"], {}, "nowhere.toml"),
        ([], {"BRIDGE_CONFIG": "elsewhere.toml"}, "elsewhere.toml"),
        ([], {}, "config/bridge.toml"),
    ):
        done = await run("serve", *arguments, folder=tmp_path, env=env)
        assert done.code == 2, done
        assert name in done.err


async def test_the_environment_alone_is_enough(serve: Serve, tmp_path: Path) -> None:
    """$BRIDGE_CONFIG and $PORT are taken where nothing is said; ${NAME}, ${NAME:-default} and BRIDGE_SECTION__KEY too."""
    async with Xuna() as server:
        text = configuration(tmp_path, xuna(server)).replace(f'"{server.api_key}"', '"${THE_KEY}"')
        text = text.replace(f'"{TOKEN}"', '"${NO_SUCH_TOKEN:-' + TOKEN + '}"')
        bridge = await serve(
            text,
            by_environment=True,
            env={
                "THE_KEY": server.api_key,
                "BRIDGE_AGENTS__SUPPORT__FIRST_MESSAGE": "By environment.",
                "BRIDGE_API_KEY": "x",
            },
        )
        async with bridge.carrier() as carrier:
            call = await carrier.call()
            session = await server.session()
            assert session.overrides["agent"]["first_message"] == "By environment."
            await call.hang_up()
            await session.gone()
        bridge.signal(signal.SIGINT)
        assert await bridge.stopped() == 0
