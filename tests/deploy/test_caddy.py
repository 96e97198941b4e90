"""The Caddyfile of the compose example, run: a real Caddy with a certificate of its own before a real bridge."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.deploy.tools import DEPLOY, brought
from tests.support.house import ACCOUNT, TOKEN
from tests.support.instances import Instance, free_ports

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

# What differs on loopback: nothing listens elsewhere, the certificate is Caddy's own, and a reload is asked for by address.
LOOPBACK = """{{
	admin 127.0.0.1:{admin}
	default_bind 127.0.0.1
	http_port {http}
	https_port {https}
	skip_install_trust
}}
"""
CONFIG = """
public_url = "https://localhost:{port}"
database_url = "sqlite:///{folder}/calls.db"
[carriers.twilio]
account_sid = "{account}"
auth_token = "{token}"
api_base_url = "http://127.0.0.1:9"
[agents.demo]
provider = "demo"
[[lines]]
number = "*"
agent = "demo"
[api]
keys = ["operator-key-0123456789"]
"""


@dataclass
class House:
    """A bridge behind Caddy. ``environ``: for clients, who trust Caddy's own authority."""

    url: str
    config: Path
    caddyfile: Path
    caddy: str
    environ: dict[str, str]

    async def callbridge(self, *arguments: str) -> asyncio.subprocess.Process:
        """A command of ours, started."""
        command = [sys.executable, "-m", "bridge", *arguments, "--config", str(self.config)]
        return await asyncio.create_subprocess_exec(
            *command, env=self.environ, cwd=self.config.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    async def reload(self) -> None:
        """A reload of the same file, which closes the old listeners and would cut their sockets."""
        admin = self.caddyfile.read_text().split("admin ", 1)[1].split()[0]
        command = [self.caddy, "reload", "--force", "--config", str(self.caddyfile), "--adapter", "caddyfile"]
        process = await asyncio.create_subprocess_exec(
            *command, "--address", admin, env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        _, error = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 0, error.decode()


def start(command: list[str], log: Path, environ: dict[str, str]) -> subprocess.Popen[bytes]:
    """A process that writes to a log."""
    with log.open("wb") as out:
        return subprocess.Popen(command, env=environ, stdout=out, stderr=out)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Both up, and the certificate made."""
    tmp_path = tmp_path_factory.mktemp("house")
    caddy = brought("caddy")
    behind, https, http, admin = free_ports(4)
    example = (DEPLOY / "docker/Caddyfile").read_text()
    assert "bridge:8080" in example
    caddyfile = tmp_path / "Caddyfile"
    caddyfile.write_text(
        LOOPBACK.format(admin=admin, http=http, https=https) + example.replace("bridge:8080", f"127.0.0.1:{behind}")
    )
    config = tmp_path / "bridge.toml"
    config.write_text(CONFIG.format(port=https, folder=tmp_path, account=ACCOUNT, token=TOKEN))
    authority = tmp_path / "data/caddy/pki/authorities/local/root.crt"
    mine = {key: value for key, value in os.environ.items() if not key.startswith(("BRIDGE_", "COVERAGE_", "TWILIO_"))}
    places = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path / "etc")}
    environ = {**mine, **places, "BRIDGE_HOST": "localhost", "SSL_CERT_FILE": str(authority)}
    environ["PYTHONPATH"] = str(DEPLOY.parent)
    instance = Instance(tmp_path, config, behind)
    command = [caddy, "run", "--config", str(caddyfile), "--adapter", "caddyfile"]
    process = start(command, tmp_path / "caddy.log", environ)
    try:
        await instance.start()
        async with asyncio.timeout(20):
            while "certificate obtained successfully" not in (tmp_path / "caddy.log").read_text():
                assert process.poll() is None, (tmp_path / "caddy.log").read_text()
                await asyncio.sleep(0.05)
        yield House(f"https://localhost:{https}", config, caddyfile, caddy, environ)
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 20)
        await instance.close()


async def test_a_call_through_caddy(house: House) -> None:
    """Webhook by https, media socket by wss, signatures over the public name; a reload of Caddy in mid-call cuts nothing."""
    phone = await house.callbridge(
        "phone", "--url", house.url, "--say", "An appointment, please", "--max-duration", "8"
    )
    assert phone.stdout is not None
    printed = ""
    async with asyncio.timeout(60):
        async for line in phone.stdout:
            printed += line.decode()
            if "agent_speaks" in line.decode() and "reloaded" not in printed:
                await house.reload()
                printed += "reloaded\n"
        assert await phone.wait() == 0, printed
    assert "reloaded" in printed, printed
    assert printed.count("media socket open") == 1, printed  # a socket that is cut is opened anew, and the call goes on
    assert "fault " not in printed, printed
    last = printed.split("ended", 1)[-1].splitlines()[0]
    assert "by the caller" in last, printed  # who was not cut off


async def test_the_doctor_looks_through_caddy(house: House) -> None:
    """public_url and the media socket are found right through TLS: reached, signed, nothing compressed, nothing cut."""
    doctor = await house.callbridge("doctor", "--json")
    printed, _ = await asyncio.wait_for(doctor.communicate(), 60)
    findings = json.loads(printed)["findings"]
    subjects = ("public_url", "media socket")
    seen = {subject: {each["level"] for each in findings if each["subject"] == subject} for subject in subjects}
    assert seen == {"public_url": {"ok"}, "media socket": {"ok"}}, printed
    assert doctor.returncode == 1  # the carrier cannot be asked here
