"""The examples in ``deploy/``: what can be checked without a container engine or a cluster."""

import os
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from bridge.settings import Settings
from tests.deploy.tools import DEPLOY, ROOT, brought, program
from tests.support.instances import Front, Instance, free_ports

DEMO = '[agents.demo]\nprovider = "demo"\n[[lines]]\nnumber = "*"\nagent = "demo"\n'
ENVIRONMENT = {
    "DATABASE_URL": "postgresql://bridge@127.0.0.1/bridge",
    "TWILIO_ACCOUNT_SID": "AC" + "0123456789abcdef" * 2,
    "TWILIO_AUTH_TOKEN": "0123456789abcdef0123456789abcde1",
    "XUNA_AI_API_KEY": "xk-74c1b2d0",
}


def documents(path: Path) -> list[dict[str, Any]]:
    """The documents of a YAML file."""
    return [each for each in yaml.safe_load_all(path.read_text()) if each]


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_proxies_take_their_configuration(kind: str, tmp_path: Path) -> None:
    """The proxies' own check accepts the examples."""
    program(kind)
    front = Front(kind, tmp_path, 18443, [18081, 18082, 18083])
    checked = subprocess.run(front.check_command, capture_output=True, text=True, timeout=20, check=False)
    assert checked.returncode == 0, checked.stderr


def test_kubernetes_renders(tmp_path: Path) -> None:
    """kustomize puts the manifests together: each is there, in the namespace, with the generated configuration's name."""
    command = [program("kubectl"), "kustomize", str(DEPLOY / "kubernetes")]
    rendered = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert rendered.returncode == 0, rendered.stderr
    found = {each["kind"]: each for each in yaml.safe_load_all(rendered.stdout)}
    assert {*found} == {
        *("ConfigMap", "Deployment", "Service", "Ingress", "HorizontalPodAutoscaler", "PodDisruptionBudget")
    }
    assert {each["metadata"]["namespace"] for each in found.values()} == {"callbridge"}
    (volume,) = [v for v in found["Deployment"]["spec"]["template"]["spec"]["volumes"] if v["name"] == "config"]
    assert volume["configMap"]["name"] == found["ConfigMap"]["metadata"]["name"]


def test_kubernetes_knows_every_word(tmp_path: Path) -> None:
    """Kubernetes' own schemas take what kustomize renders, and no field of ours is one that they do not know."""
    validate = brought("kubernetes-validate")
    command = [program("kubectl"), "kustomize", str(DEPLOY / "kubernetes")]
    rendered = tmp_path / "rendered.yaml"
    with rendered.open("wb") as out:
        subprocess.run(command, stdout=out, timeout=60, check=True)
    for version in ("1.30", "1.37"):
        checked = subprocess.run(
            [validate, "--strict", "-k", version, str(rendered)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert (checked.stdout + checked.stderr).count(" passed ") == 6, checked.stdout + checked.stderr


def test_kubernetes_lets_calls_end() -> None:
    """The grace period holds a whole drain, readiness and liveness ask different routes, and nothing runs as root."""
    (deployment,) = documents(DEPLOY / "kubernetes/deployment.yaml")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    drain = Settings.__dataclass_fields__["drain_timeout_s"].default
    assert pod["terminationGracePeriodSeconds"] > drain
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for name in ("service.yaml", "disruption.yaml"):
        selector = documents(DEPLOY / "kubernetes" / name)[0]["spec"]["selector"]
        assert selector.get("matchLabels", selector) == labels


def test_the_configuration_of_the_cluster(tmp_path: Path) -> None:
    """The example configuration of the cluster is one that the bridge takes."""
    settings = Settings.load(str(DEPLOY / "kubernetes/bridge.toml"), ENVIRONMENT)
    assert settings.public_url == "https://bridge.example.com"


def test_compose_holds_together() -> None:
    """Services wait for those they need, every volume is declared, nothing but the proxy has a port to the outside."""
    (compose,) = documents(DEPLOY / "docker/compose.yaml")
    services = compose["services"]
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        names = {volume.split(":")[0] for volume in service.get("volumes", ())}
        assert {name for name in names if not name.startswith(".")} <= set(compose["volumes"])
        for source in (name for name in names if name.startswith("./") and name != "./bridge.toml"):
            assert (DEPLOY / "docker" / source).exists()
    assert [name for name, service in services.items() if "ports" in service] == ["caddy"]
    assert services["bridge"]["read_only"]
    assert (DEPLOY / "docker" / services["bridge"]["build"]["context"]).resolve() == ROOT


def test_compose_takes_it(tmp_path: Path) -> None:
    """Docker Compose itself reads the file, with the .env that its head asks for, and refuses it without."""
    compose = [
        brought("docker-compose"),
        "-f",
        str(DEPLOY / "docker/compose.yaml"),
        "--project-directory",
        str(tmp_path),
    ]
    without = subprocess.run([*compose, "config"], capture_output=True, text=True, timeout=60, check=False)
    assert without.returncode != 0
    assert "BRIDGE_HOST" in without.stderr or ".env" in without.stderr
    (tmp_path / ".env").write_text("BRIDGE_HOST=bridge.example.com\nPOSTGRES_PASSWORD=s3cret\n")
    taken = subprocess.run([*compose, "config"], capture_output=True, text=True, timeout=60, check=False)
    assert taken.returncode == 0, taken.stderr
    services = yaml.safe_load(taken.stdout)["services"]
    assert (
        services["bridge"]["environment"]["BRIDGE_DATABASE_URL"] == "postgresql://callbridge:s3cret@database/callbridge"
    )
    assert services["caddy"]["environment"]["BRIDGE_HOST"] == "bridge.example.com"


def test_hadolint_has_no_complaint() -> None:
    """hadolint, with the shell check that it brings, finds nothing in the Dockerfile."""
    command = [brought("hadolint"), "--failure-threshold", "style", str(DEPLOY / "docker/Dockerfile")]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_dockerfile_copies_what_there_is() -> None:
    """What the image is built from exists and is not ignored; it runs as nobody in particular."""
    lines = (DEPLOY / "docker/Dockerfile").read_text().splitlines()
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for line in lines:
        words = line.split()
        if words[:1] == ["COPY"] and not words[1].startswith("--"):
            for source in words[1:-1]:
                assert (ROOT / source).exists(), source
                assert f"!{source.rstrip('/')}" in ignored, source
    assert "USER 10001" in lines
    assert lines[-2:] == ['ENTRYPOINT ["callbridge"]', 'CMD ["serve"]']


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """systemd-analyze finds nothing wrong with the units but that this machine has no such user and no such file."""
    verify = program("systemd-analyze")
    for name in ("callbridge.service", "callbridge.socket"):
        text = (DEPLOY / "systemd" / name).read_text()
        (tmp_path / name).write_text(
            text.replace("/opt/callbridge/bin/callbridge", sys.executable).replace("User=callbridge", "User=root")
        )
    command = [verify, "verify", "--man=no", str(tmp_path / "callbridge.socket"), str(tmp_path / "callbridge.service")]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    complaints = [line for line in checked.stderr.splitlines() if "callbridge" in line]
    assert not complaints, checked.stderr


async def test_socket_activation(tmp_path: Path) -> None:
    """A socket that systemd would hand over is served, as the unit does it."""
    config = tmp_path / "bridge.toml"
    config.write_text(
        f'public_url = "http://127.0.0.1:8080"\ndatabase_url = "sqlite:///{tmp_path}/a.db"\n{CARRIER}{DEMO}'
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        port = listener.getsockname()[1]
        instance = Instance(tmp_path, config, port)
        # As systemd does: the socket is descriptor 3, and the variables name the process itself.
        script = (
            f"import os, sys; os.dup2({listener.fileno()}, 3, True); "
            "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); "
            f"os.execv(sys.executable, [sys.executable, '-m', 'bridge', 'serve', '--single', '--config', {str(config)!r}])"
        )
        instance.process = start([sys.executable, "-c", script], instance.log, listener.fileno())
        try:
            await instance.ready()
        finally:
            await instance.close()


async def test_the_procfile(tmp_path: Path) -> None:
    """The host's command listens on the port that the host gives."""
    (line,) = (ROOT / "Procfile").read_text().splitlines()
    kind, _, command = line.partition(": ")
    assert kind == "web"
    config = tmp_path / "bridge.toml"
    config.write_text(
        f'public_url = "http://127.0.0.1:8080"\ndatabase_url = "sqlite:///{tmp_path}/a.db"\n{CARRIER}{DEMO}'
    )
    (port,) = free_ports(1)
    instance = Instance(tmp_path, config, port)
    words = [sys.executable, "-m", "bridge", *command.split()[1:]]
    instance.process = start(words, instance.log, None, PORT=str(port), BRIDGE_CONFIG=str(config))
    try:
        await instance.ready()
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/healthz") as answer:
            assert answer.status == 200
    finally:
        await instance.close()


SID, TOKEN = ENVIRONMENT["TWILIO_ACCOUNT_SID"], ENVIRONMENT["TWILIO_AUTH_TOKEN"]
CARRIER = f'[carriers.twilio]\naccount_sid = "{SID}"\nauth_token = "{TOKEN}"\n'


def start(command: list[str], log: Path, passed: int | None, **environ: str) -> subprocess.Popen[bytes]:
    """A process that writes to a log."""
    with log.open("wb") as out:
        return subprocess.Popen(
            command,
            stdout=out,
            stderr=out,
            pass_fds=() if passed is None else (passed,),
            env={**os.environ, **environ},
            cwd=ROOT,
        )


def test_versions_agree() -> None:
    """The image of the cluster is the version that the package has."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    (deployment,) = documents(DEPLOY / "kubernetes/deployment.yaml")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == f"callbridge:{version}"
