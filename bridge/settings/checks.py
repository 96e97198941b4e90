"""What no key can tell alone: names that must exist, keys that need or forbid each other, what a server cannot do without."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Final
from urllib.parse import urlsplit

from bridge.settings.addresses import Address
from bridge.settings.agents import KuraAgent, XunaAgent
from bridge.settings.lines import Line
from bridge.settings.model import Settings
from bridge.settings.report import Path, Report, suggestion
from bridge.settings.services import GOOD_KEY

BUILT_IN_TOOLS: Final = frozenset(
    {"end_call", "transfer_call", "send_digits", "send_sms", "schedule_callback", "opt_out"}
)
_ENCRYPTED: Final = Address(schemes=("https", "http"))


def check(settings: Settings, report: Report, *, serving: bool) -> None:
    """Note every mistake that spans several keys. Where one of them is itself wrong, that is enough said."""
    _check_agents(settings, report)
    for place, line in enumerate(settings.lines):
        _check_line(settings, line, ("lines", place), report)
    _check_numbers(settings, report)
    for name in settings.tools:
        if name in BUILT_IN_TOOLS:
            report.add(("tools", name), "is a tool that is built in", "Give yours another name.")
    for place, name in enumerate(settings.chat.agents):
        _check_text_agent(settings, name, ("chat", "agents", place), report)
    shown: set[str] = set()
    for place, key in enumerate(settings.api.keys):
        if not report.bad(("api", "keys", place)) and key.key.reveal() in shown:
            report.add(("api", "keys", place), "is there twice", "Take one of them out.")
        shown.add(key.key.reveal())
    if serving:
        _check_server(settings, report)
    here: Path = ("tracing", "url")
    if settings.tracing.url and not can_trace() and not (report.origin(here) or "").startswith("environment, OTEL_"):
        report.add(here, "needs OpenTelemetry, which is not installed", 'pip install "callbridge[tracing]"')


def can_trace() -> bool:
    """The extra is installed. Nothing of it is imported to find out but its empty packages."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


def _check_agents(settings: Settings, report: Report) -> None:
    for name, agent in settings.agents.items():
        path: Path = ("agents", name)
        if (
            isinstance(agent, XunaAgent)
            and agent.authentication == "signed_url"
            and agent.api_key is None
            and not report.bad((*path, "api_key"))
            and not report.bad((*path, "authentication"))
        ):
            report.add((*path, "api_key"), "is missing", 'Set it, or authentication = "public" for a public agent.')
        if isinstance(agent, XunaAgent | KuraAgent) and not agent.allow_insecure:
            here = (*path, "base_url")
            if not report.bad(here) and (complaint := _ENCRYPTED.complain(agent.base_url)):
                remedy = f"{complaint.remedy} allow_insecure = true lifts this, and sends the key in the clear."
                report.add(here, complaint.problem, remedy)


def _check_line(settings: Settings, line: Line, path: Path, report: Report) -> None:
    named: list[tuple[Path, str]] = [((*path, "agent"), line.agent)]
    named += [((*path, "backup_agents", place), name) for place, name in enumerate(line.backup_agents)]
    before: set[str] = set()
    for here, name in named:
        if name in before and not report.bad(here):
            report.add(here, "names an agent that comes before it", "A backup must be another agent.")
        before.add(name)
        _check_agent(settings, name, here, report)
    if line.hours is not None and line.hours.agent:
        _check_agent(settings, line.hours.agent, (*path, "hours", "agent"), report)
    if line.text_agent:
        _check_text_agent(settings, line.text_agent, (*path, "text_agent"), report)
    for key, number in _dialled(line):
        if number == line.number:
            report.add(
                (*path, key, "dial"), "is the line's own number", "Name another: the call would come back for ever."
            )


def _dialled(line: Line) -> Iterator[tuple[str, str | None]]:
    yield "fallback", line.fallback.dial
    yield "overflow", line.overflow.dial if line.overflow else None
    yield "hours", line.hours.dial if line.hours else None


def _check_agent(settings: Settings, name: str, here: Path, report: Report) -> None:
    if name in settings.agents or report.bad(here) or report.bad(("agents", name)):
        return
    known = ", ".join(sorted(settings.agents)[:20]) or "none"
    report.add(here, "names no agent that is configured", f"{suggestion(name, settings.agents)}There are: {known}.")


def _check_text_agent(settings: Settings, name: str, here: Path, report: Report) -> None:
    _check_agent(settings, name, here, report)
    if name in settings.agents and not isinstance(settings.agents[name], KuraAgent) and not report.bad(here):
        report.add(here, "names an agent that cannot chat", "Name one of provider kura.")


def _check_numbers(settings: Settings, report: Report) -> None:
    numbers: set[str] = set()
    for place, line in enumerate(settings.lines):
        here: Path = ("lines", place, "number")
        if line.number in numbers and not report.bad(here):
            report.add(here, "is there twice", "A number has one line.")
        numbers.add(line.number)
    if report.bad(("lines",)):
        return
    for place, number in enumerate(settings.outbound.caller_numbers):
        here = ("outbound", "caller_numbers", place)
        if not report.bad(here) and not numbers & {number, "*"}:
            report.add(here, "is no line of ours", "Add a line with this number, or take it out.")


def _check_server(settings: Settings, report: Report) -> None:
    if not settings.agents and not report.bad(("agents",)):
        report.add(("agents",), "has no agent", 'Configure one, such as [agents.demo] with provider = "demo".')
    needs_carrier = any(isinstance(agent, XunaAgent | KuraAgent) for agent in settings.agents.values())
    if settings.carriers.twilio is None and needs_carrier and not report.bad(("carriers",)):
        report.add(
            ("carriers", "twilio"), "is missing", "Set account_sid and auth_token: calls have to come from somewhere."
        )
    if settings.carriers.twilio is not None and settings.public_url is None and not report.bad(("public_url",)):
        report.add(("public_url",), "is missing", "Set it to the https address that the carrier calls.")


def warnings(settings: Settings, *, exposed: list[str]) -> Iterator[str]:
    """What is allowed but seldom meant. ``exposed``: keys whose secrets stand in a file that everybody may read."""
    if exposed:
        keys = ", ".join(exposed[:10])
        remedy = "chmod o-r, or use ${NAME}"
        yield f"the configuration file holds secrets ({keys}) and every user of this machine may read it: {remedy}"
    for name, agent in settings.agents.items():
        if (
            isinstance(agent, XunaAgent | KuraAgent)
            and urlsplit(agent.base_url).scheme == "http"
            and _ENCRYPTED.complain(agent.base_url)
        ):
            yield f"agents.{name}: the key and the sound go to base_url in the clear"
    for place, key in enumerate(settings.api.keys):
        if len(key.key.reveal()) < GOOD_KEY:
            yield f"api.keys[{place}] can be guessed: make one of {GOOD_KEY} characters or more with openssl rand -base64 24"
    if settings.carriers.twilio is not None and not settings.lines:
        yield "no lines are configured: every call is rejected"
    if settings.tracing.url and not can_trace():  # a platform gives OTEL_... to every process: no reason not to start
        yield 'OTEL_... names a collector, but no traces are sent: pip install "callbridge[tracing]"'
