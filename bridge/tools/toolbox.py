"""One tool call from an agent's request to its answer, whichever way it came."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import structlog

from bridge.call import events as e
from bridge.errors import BridgeError
from bridge.store.busy import Elsewhere
from bridge.tools.arguments import ArgumentRules
from bridge.tools.asking import About, LiveCall, ToolCall, ToolProblem
from bridge.tools.builtin import SCHEMAS, BuiltIns
from bridge.tools.limits import Allowance, Usage
from bridge.tools.roll import Roll

MAX_TEXT: Final = 64 * 1024  # bytes of an answer
MAX_AT_ONCE: Final = 64  # tool calls of all calls together
LONGEST_S: Final = 65.0  # of one tool call; a tool's own limit is shorter
NOT_NOW: Final = "That could not be done just now."

log = structlog.get_logger("bridge.tools")

AskThere = Callable[[ToolCall, Elsewhere], Awaitable[dict[str, Any]]]  # another instance runs it; raises ToolProblem
Told = Callable[[str, str, float], None]  # a tool's name, "ok" or the kind of its failure, seconds
Run = Callable[[ToolCall, About], Awaitable[Any]]  # raises ToolProblem


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that is not built in: what it takes, who runs it, and what a call came to in which it was used with success."""

    run: Run
    rules: ArgumentRules | None = None
    result: str = ""


@dataclass(slots=True)
class Counts:
    """By what became of them."""

    asked: int = 0
    failed: dict[str, int] = field(default_factory=dict)


class Toolbox:
    """One for each process."""

    def __init__(
        self,
        *,
        roll: Roll,
        built_in: BuiltIns,
        tools: Mapping[str, Tool],
        allowance: Allowance,
        secrets: tuple[str, ...] = (),
        ask_there: AskThere | None = None,
    ) -> None:
        self.counts = Counts()
        self.told: Told = lambda name, outcome, seconds: None  # of every tool call that was begun, at its end
        self._roll = roll
        self.use(built_in, tools, allowance, secrets)
        self._ask_there = ask_there
        self._room = asyncio.Semaphore(MAX_AT_ONCE)

    def use(
        self, built_in: BuiltIns, tools: Mapping[str, Tool], allowance: Allowance, secrets: tuple[str, ...]
    ) -> None:
        """These count for the tool calls that come from now on."""
        self._built_in = built_in
        self._tools = tools
        self._allowance = allowance
        self._secrets = tuple(secret for secret in secrets if len(secret) >= 6)  # a shorter one is found in anything

    async def asked(self, call: ToolCall) -> dict[str, Any]:
        """A tool call that came from outside a call's socket: an answer, or ``{"error": words}``."""
        try:
            self._known(call)
            live = await self._roll.find(call, acts=call.name in SCHEMAS)
            if not isinstance(live, Elsewhere):
                return await self._run(call, live)
            if self._ask_there is None:
                raise ToolProblem(NOT_NOW, kind="elsewhere")
            return await self._ask_there(call, live)
        except ToolProblem as problem:
            return self._failed(call, problem)

    async def asked_from_elsewhere(self, call: ToolCall, call_id: str) -> dict[str, Any]:
        """A tool call that reached another instance, for a call that is here."""
        live = self._roll.here(call_id, call.agent)
        if live is None:
            return self._failed(call, ToolProblem("That call is over.", kind="no_call"))
        return await self.called(call, live)

    async def called(self, call: ToolCall, live: LiveCall) -> dict[str, Any]:
        """A tool call that came over the socket of a live call."""
        try:
            self._known(call)
            return await self._run(call, live)
        except ToolProblem as problem:
            return self._failed(call, problem)

    def refusal(self, live: LiveCall) -> str:
        """Why a call may ask for nothing more now, before anything is begun for it; "" where it may."""
        usage = Usage.of(live)
        if usage.calls >= self._allowance.tool_calls:
            return "This call has used as many tools as it may."
        busy = usage.running >= self._allowance.at_once
        return "Other tools are still at work. Wait for their answers, then try again." if busy else ""

    def _known(self, call: ToolCall) -> None:
        if call.name not in SCHEMAS and call.name not in self._tools:
            raise ToolProblem("There is no tool of that name.", kind="unknown_tool")

    async def _run(self, call: ToolCall, live: LiveCall) -> dict[str, Any]:
        self.counts.asked += 1
        key = f"{call.name}:{call.key}" if call.key else ""
        return await Usage.of(live).once(key, self._allowance, lambda: self._timed(call, live))

    async def _timed(self, call: ToolCall, live: LiveCall) -> dict[str, Any]:
        began, outcome = live.now, "failed"
        try:
            answer = await self._bounded(call, live)
        except ToolProblem as problem:
            outcome = problem.kind
            raise
        else:
            outcome = "ok"
            return answer
        finally:
            took = live.now - began
            failed = {} if outcome == "ok" else {"failed": outcome}
            live.record.add_event(
                "tool_answered", int(live.now * 1000), name=call.name, took_ms=round(took * 1000), **failed
            )
            self.told(call.name, outcome, took)

    async def _bounded(self, call: ToolCall, live: LiveCall) -> dict[str, Any]:
        if self._room.locked():
            raise ToolProblem("Too much is going on. Try again in a moment.", kind="busy")
        try:
            async with self._room, asyncio.timeout(LONGEST_S):
                answer = await self._do(call, live)
        except TimeoutError:
            raise ToolProblem("That took too long.", kind="timeout") from None
        except BridgeError as error:
            log.warning("tool_failed", tool=call.name, call_id=live.record.call_id, error=type(error).__name__)
            raise ToolProblem(NOT_NOW, kind="failed") from None
        return self._checked(answer)

    async def _do(self, call: ToolCall, live: LiveCall) -> Any:
        if call.name in SCHEMAS:
            return await self._built_in.run(call, live)
        tool = self._tools[call.name]
        if tool.rules is not None:
            tool.rules.check(call.arguments)
        live.record.add_event("tool", int(live.now * 1000), name=call.name)
        answer = await tool.run(call, About.of(live.record))
        if tool.result and not (isinstance(answer, dict) and "error" in answer):
            live.record.came_to(tool.result)
        return answer

    def _checked(self, answer: Any) -> dict[str, Any]:
        body = answer if isinstance(answer, dict) else {"result": answer}
        try:
            text = msgspec.json.encode(body).decode()
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
            raise ToolProblem("The answer could not be understood.", kind="bad_answer") from None
        if len(text) > MAX_TEXT or any(secret in text for secret in self._secrets):
            raise ToolProblem("The answer could not be used.", kind="bad_answer")
        return body

    def _failed(self, call: ToolCall, problem: ToolProblem) -> dict[str, Any]:
        self.counts.failed[problem.kind] = self.counts.failed.get(problem.kind, 0) + 1
        name = call.name if call.name in SCHEMAS or call.name in self._tools else "unknown"
        log.info("tool_refused", agent=call.agent, tool=name, why=problem.kind)
        return {"error": str(problem)}


def over_socket(agent: str, order: e.RunTool) -> ToolCall:
    """A tool call that an agent made over its socket, in the shape of all others."""
    payload = {"tool_name": order.name, "tool_args": order.arguments}
    return ToolCall(agent, order.name, order.arguments, payload, key=fingerprint(agent, order.tool_call_id))


def from_payload(agent: str, payload: Any) -> ToolCall:
    """Kura's payload (document 004, "Webhook Payload"). Raises ToolProblem where it is none."""
    if not isinstance(payload, dict) or not isinstance(payload.get("tool_name"), str):
        raise ToolProblem("The request has no tool_name.", kind="bad_request")
    arguments = payload.get("tool_args")
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise ToolProblem("tool_args must be an object.", kind="bad_request")
    given = next((payload[name] for name in ("tool_call_id", "timestamp") if isinstance(payload.get(name), str)), "")
    # The same request with the same time is the same tool call, made again by whoever did not get its answer.
    key = fingerprint(agent, given, msgspec.json.encode(arguments, order="sorted").decode()) if given else ""
    return ToolCall(agent, payload["tool_name"], arguments, payload, key=key)


def fingerprint(*parts: str) -> str:
    """Of texts, in their order: 32 hexadecimal digits."""
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:32]
