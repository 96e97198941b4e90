"""Business systems: tool calls in and on, put together from the configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import structlog
from starlette.routing import BaseRoute

from bridge import settings as config
from bridge.assembly.events import Telling
from bridge.assembly.operations import Operations
from bridge.assembly.texts import TextParts, TextWing
from bridge.call import events as e
from bridge.call.plan import Line
from bridge.call.ports import Agent
from bridge.call.record import CallRecord
from bridge.carriers.twilio.rest import TwilioRest
from bridge.errors import CarrierFailure, ConfigurationError, Mistake, StoreUnavailable
from bridge.outbound.numbers import may_text
from bridge.runtime.chores import Chore
from bridge.runtime.session import CallSession
from bridge.runtime.switchboard import Switchboard
from bridge.store.busy import Busy, Elsewhere
from bridge.store.calls import Calls
from bridge.store.database import Database
from bridge.store.outbox import Outbox
from bridge.store.suppression import Suppressions
from bridge.tools import delivery, python
from bridge.tools.arguments import ArgumentRules
from bridge.tools.asking import LiveCall, ToolCall, ToolProblem
from bridge.tools.builtin import SCHEMAS, BuiltIns
from bridge.tools.courier import Channel, Courier
from bridge.tools.limits import Allowance
from bridge.tools.roll import Roll
from bridge.tools.sending import Destination
from bridge.tools.toolbox import LONGEST_S, NOT_NOW, Tool, Toolbox, over_socket
from bridge.web.questions import Questions, Unanswered
from bridge.web.tools import ToolRoutes

TOOL: Final = "tool"  # a question of another instance: run it for a call that is here
SPARE_S: Final = 5.0  # both ways through the store
FORGET_S: Final = 3600.0  # between looks for dead letters that are too old

log = structlog.get_logger("bridge.business")


@dataclass(slots=True)
class Reach:
    """What the rest of the house lends to tools; None where this deployment has it not."""

    rest: TwilioRest
    suppressions: Suppressions
    prefixes: Sequence[str]  # of numbers that are texted
    press: Callable[[CallSession, str], Awaitable[None]] | None = None
    call_back: Callable[[LiveCall, datetime, str], Awaitable[bool]] | None = None

    async def send_digits(self, call: LiveCall, digits: str) -> None:
        """Play DTMF on the line, and keep the agent."""
        if self.press is None or not isinstance(call, CallSession):
            raise CarrierFailure("this carrier sends no digits")
        await self.press(call, digits)

    async def send_text(self, *, to: str, from_: str, body: str) -> bool:
        """Send an SMS. False where this person wants none, or may get none."""
        if not may_text(to, from_, self.prefixes) or await self.suppressions.has(to):
            return False
        await self.rest.send_message(to, from_, body=body)
        return True

    async def schedule_callback(self, call: LiveCall, at: datetime, *, note: str) -> bool:
        """Call the person again at that time."""
        if self.call_back is None:
            return False
        return await self.call_back(call, at, note)

    async def opt_out(self, number: str) -> bool:
        """Never call or text this number again."""
        await self.suppressions.add([number], source="opt_out", now=datetime.now(UTC))
        return True


class Business:
    """One for each process. ``reach`` may be filled by other parts of the house until the first call comes."""

    def __init__(
        self,
        settings: config.Settings,
        *,
        switchboard: Switchboard,
        database: Database,
        calls: Calls,
        agents: Mapping[str, Agent],
        rest: TwilioRest,
        instance: str,
        transfers: Collection[str],
        lines: Mapping[str, Line],
    ) -> None:
        self.reach = Reach(rest, Suppressions(database), settings.chat.text_prefixes)
        self.outbox = Outbox(database)
        self.telling = Telling(settings, database=database, outbox=self.outbox, calls=calls, agents=agents)
        self._settings = settings
        self._switchboard = switchboard
        self.text = TextWing(
            TextParts(settings, lines, agents, database, calls, rest, switchboard, instance, self.telling.announcer),
            changed=self.watch,
        )
        self._roll = Roll(lambda: [*switchboard.sessions, *self.text.texts.sessions], others=Busy(database, instance))
        allowance = allowance_of(settings)
        self._transfers = transfers
        self._keys = {name: agent.tools_key or () for name, agent in settings.agents.items()}
        self._systems = self._business_systems(settings)
        self._questions: Questions | None = None
        self._threads = ThreadPoolExecutor(python.THREADS, thread_name_prefix="tool")
        self._python = python.load(settings.python_tools, self._threads)
        self.toolbox = Toolbox(
            roll=self._roll,
            built_in=BuiltIns(self.reach, transfers, allowance),
            tools=self._tools(settings, self._systems, self._python),
            allowance=allowance,
            secrets=own_secrets(settings),
            ask_there=self._ask_there,
        )
        self.courier = Courier(self.outbox, self._channels())

    def _business_systems(self, settings: config.Settings) -> dict[str, delivery.Business]:
        return {
            name: delivery.Business(
                name,
                Destination(tool.url, secrets=tool.secret or (), allow_private=tool.allow_private),
                timeout_s=tool.timeout_s,
                idempotent=tool.idempotent,
                outbox=self.outbox if tool.durable else None,
                hurry=self._hurry,
            )
            for name, tool in settings.tools.items()
        }

    def _hurry(self) -> None:
        self.courier.hurry()

    @staticmethod
    def _tools(
        settings: config.Settings, systems: Mapping[str, delivery.Business], own: Mapping[str, python.PythonTool]
    ) -> dict[str, Tool]:
        rules = argument_rules(settings)
        found = {
            name: Tool(system.run, rules.get(name), settings.tools[name].result or "")
            for name, system in systems.items()
        }
        twice = sorted(own.keys() & (found.keys() | SCHEMAS.keys()))
        if twice:
            raise ConfigurationError(
                [Mistake("configuration", "python_tools", f"there are two tools {twice[0]}", "Rename one of them.")]
            )
        own_rules = python.rules(own)
        return found | {name: Tool(each.run, own_rules[name]) for name, each in own.items()}

    async def prepare(self, settings: config.Settings) -> Callable[[], None]:
        """What changes when the configuration is read again, made ready. Raises ConfigurationError."""
        systems = self._business_systems(settings)
        tools = self._tools(settings, systems, self._python)
        allowance = allowance_of(settings)
        text, telling = self.text.prepare(settings), self.telling.prepare(settings)

        def commit() -> None:
            former, self._systems, self._settings = self._systems, systems, settings
            self._keys.clear()
            self._keys.update({name: agent.tools_key or () for name, agent in settings.agents.items()})
            built_in = BuiltIns(self.reach, self._transfers, allowance)
            self.toolbox.use(built_in, tools, allowance, own_secrets(settings))
            text()
            destinations = [*telling(), *(system.destination for system in former.values())]
            self.courier.use(self._channels())
            self._switchboard.spawn(retire(destinations), name="former business systems")

        return commit

    def _channels(self) -> dict[str, Channel]:
        channels = {system.channel: system.later() for system in self._systems.values() if system.outbox is not None}
        return channels | self.telling.channels()

    async def run(self) -> None:
        """Deliver what must arrive, and end conversations that nobody goes on with, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.text.texts.run(), name="texts")
            group.create_task(self.courier.run(), name="courier")

    def join(self, operations: Operations) -> None:
        """Add what operators and apps may ask, and what is done now and then."""
        self.text.join(operations)
        self._questions = operations.questions
        operations.questions.kinds[TOOL] = self._asked_from_elsewhere
        self.toolbox.told = operations.metrics.tool
        self.reach.call_back = self.text.call_back
        days = self._settings.retention_days

        async def forget() -> None:
            await self.outbox.purge(datetime.now(UTC) - timedelta(days=days))

        if days:
            operations.chores.add(Chore("dead letters", FORGET_S, forget))

    async def close(self) -> None:
        """Close the connections."""
        for system in self._systems.values():
            await system.destination.close()
        await self.telling.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def watch(self, record: CallRecord) -> None:
        """A record has changed."""
        self._roll.observe(record)
        if record.status.terminal:
            self.courier.hurry()

    def routes(self) -> list[BaseRoute]:
        """What business systems and agents reach."""
        return [*ToolRoutes(self._keys, self.toolbox.asked).routes(), *self.text.routes()]

    def run_tool(self, session: CallSession, order: e.RunTool) -> None:
        """An agent asked over its socket: it is answered once, whatever happens."""
        words = self.toolbox.refusal(session)
        if words:
            session.perform(e.SendToolResult(order.tool_call_id, words, is_error=True))
            return
        self._switchboard.spawn(self._answer(session, order), name="tool")

    async def _ask_there(self, call: ToolCall, there: Elsewhere) -> dict[str, Any]:
        if self._questions is None:
            raise ToolProblem(NOT_NOW, kind="elsewhere")
        asked = {
            "agent": call.agent,
            "name": call.name,
            "arguments": call.arguments,
            "payload": call.payload,
            "key": call.key,
            "call_id": there.call_id,
        }
        try:
            return await self._questions.ask(TOOL, asked, instance=there.instance, timeout_s=LONGEST_S + SPARE_S)
        except Unanswered as unanswered:
            words = NOT_NOW if unanswered.undone else "It is not certain whether that was done."
            raise ToolProblem(words, kind="elsewhere") from None
        except StoreUnavailable:
            raise ToolProblem("It is not certain whether that was done.", kind="elsewhere") from None

    async def _asked_from_elsewhere(self, args: Mapping[str, Any]) -> dict[str, Any]:
        call = ToolCall(args["agent"], args["name"], args["arguments"], args["payload"], args["key"])
        return await self.toolbox.asked_from_elsewhere(call, args["call_id"])

    async def _answer(self, session: CallSession, order: e.RunTool) -> None:
        agent = session.record.agent
        answer = await self.toolbox.called(over_socket(agent, order), session)
        if session.machine.over or session.record.agent != agent:
            return  # the one who asked is gone, and its successor did not ask
        failed = isinstance(answer.get("error"), str)
        text = answer["error"] if failed else msgspec.json.encode(answer).decode()
        session.perform(e.SendToolResult(order.tool_call_id, text, is_error=failed))


def allowance_of(settings: config.Settings) -> Allowance:
    """What one call may ask for."""
    limits = settings.limits
    return Allowance(tool_calls=limits.tool_calls, at_once=limits.concurrent_tool_calls, transfers=limits.transfers)


async def retire(destinations: Sequence[Destination]) -> None:
    """Close what nothing new is sent to, when what was under way is surely over."""
    try:
        await asyncio.sleep(LONGEST_S + SPARE_S)
    finally:
        for destination in destinations:
            await destination.close()


def own_secrets(settings: config.Settings) -> tuple[str, ...]:
    """What no answer may bring back to an agent."""
    return tuple(secret.reveal() for secret in settings.secrets())


def argument_rules(settings: config.Settings) -> dict[str, ArgumentRules]:
    """The schemas of the configured tools. Raises ConfigurationError for what is no JSON Schema."""
    rules: dict[str, ArgumentRules] = {}
    mistakes = []
    for name, tool in settings.tools.items():
        if tool.schema is None:
            continue
        try:
            rules[name] = ArgumentRules(tool.schema)
        except ValueError as error:
            mistakes.append(
                Mistake("configuration", f"tools.{name}.schema", str(error), "Write it as JSON Schema 2020-12 has it.")
            )
    if mistakes:
        raise ConfigurationError(mistakes)
    return rules
