"""Tools written in Python: a function with ``@tool`` in a module that the configuration names in ``python_tools``.

::

    from bridge.tools.python import Call, tool

    @tool
    async def opening_hours(day: Literal["today", "tomorrow"], call: Call) -> str:
        \"\"\"When the shop is open.\"\"\"
        ...

The types of the arguments are the schema that an agent's request is checked against. ``call`` is optional: whose call it
is. A function that is not async runs in a thread of its own pool, so that nothing it waits for stops the sound.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, TypeAlias, TypeVar, get_type_hints

import msgspec
import structlog

from bridge.errors import ConfigurationError, Mistake
from bridge.tools.arguments import OURS, ArgumentRules
from bridge.tools.asking import About, ToolCall, ToolProblem

MARK: Final = "__callbridge_tool__"
THREADS: Final = 8  # blocking tools at work at once
TIMEOUT_S: Final = 8.0  # the agent has to speak afterwards

Call: TypeAlias = About
Function = TypeVar("Function", bound=Callable[..., Any])

log = structlog.get_logger("bridge.tools")


def tool(function: Function) -> Function:
    """Let agents call this function by its name."""
    setattr(function, MARK, True)
    return function


@dataclass(frozen=True, slots=True)
class PythonTool:
    """One function. ``run`` has the shape of every other tool's."""

    name: str
    function: Callable[..., Any]
    shape: type[msgspec.Struct]
    wants_call: str  # the argument that takes it, "" for none
    threads: ThreadPoolExecutor
    timeout_s: float = TIMEOUT_S

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments."""
        return schema_of(self.shape)

    async def run(self, call: ToolCall, about: About) -> Any:
        """Call the function. Raises ToolProblem."""
        known = {field.encode_name for field in msgspec.structs.fields(self.shape)}
        given = {name: value for name, value in call.arguments.items() if name in known or name not in OURS}
        try:
            struct = msgspec.convert(given, self.shape)
        except msgspec.ValidationError:
            raise ToolProblem("An argument is not as this tool needs it.", kind="bad_arguments") from None
        arguments = {name: getattr(struct, name) for name in self.shape.__struct_fields__}
        if self.wants_call:
            arguments[self.wants_call] = about
        try:
            async with asyncio.timeout(self.timeout_s):
                return msgspec.to_builtins(await self._call(arguments))
        except TimeoutError:
            log.warning("tool_failed", tool=self.name, call_id=about.call_id, why="timeout")
            raise ToolProblem("That took too long, so it is not certain whether it was done.", kind="timeout") from None
        except ToolProblem:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a function of somebody else raises
            # Only its type: the text of an error may hold what the caller said.
            log.warning("tool_failed", tool=self.name, call_id=about.call_id, why=type(error).__name__)
            raise ToolProblem("That could not be done just now.", kind="failed") from None

    async def _call(self, arguments: dict[str, Any]) -> Any:
        if inspect.iscoroutinefunction(self.function):
            return await self.function(**arguments)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, lambda: self.function(**arguments))


def schema_of(shape: type[msgspec.Struct]) -> dict[str, Any]:
    """JSON Schema 2020-12, in one piece."""
    found = msgspec.json.schema(shape)
    parts = found.get("$defs", {})
    return {**parts[shape.__name__], "$defs": parts}


def load(modules: Sequence[str], threads: ThreadPoolExecutor) -> dict[str, PythonTool]:
    """Every tool of these modules. Raises ConfigurationError with every mistake."""
    found: dict[str, PythonTool] = {}
    mistakes: list[Mistake] = []

    def wrong(problem: str, remedy: str) -> None:
        mistakes.append(Mistake("configuration", "python_tools", problem, remedy))

    for name in modules:
        try:
            module = import_module(name)
        except Exception as error:  # noqa: BLE001 - whatever a foreign module raises is told, and the bridge does not start
            wrong(f"{name} cannot be imported ({type(error).__name__})", "Is it installed where callbridge is?")
            continue
        functions = [each for each in vars(module).values() if callable(each) and getattr(each, MARK, False)]
        if not functions:
            wrong(f"{name} holds no tools", "Mark its functions with @tool.")
        for function in functions:
            try:
                made = _made(function, threads)
            except (TypeError, ValueError, NameError) as error:
                wrong(
                    f"{name}.{function.__name__} is no tool: {error}", "Give every argument a type that JSON can say."
                )
                continue
            if made.name in found:
                wrong(f"there are two tools {made.name}", "Rename one of them.")
            found[made.name] = made
    if mistakes:
        raise ConfigurationError(mistakes)
    return found


def rules(tools: Mapping[str, PythonTool]) -> dict[str, ArgumentRules]:
    """What their arguments are checked against."""
    return {name: ArgumentRules(each.schema) for name, each in tools.items()}


def _made(function: Callable[..., Any], threads: ThreadPoolExecutor) -> PythonTool:
    hints = get_type_hints(function, include_extras=True)
    fields: list[Any] = []
    wants_call = ""
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise TypeError(f"argument {name} has no name of its own")
        if name not in hints:
            raise TypeError(f"argument {name} has no type")
        if hints[name] is About:
            wants_call = name
        elif parameter.default is parameter.empty:
            fields.append((name, hints[name]))
        else:
            fields.append((name, hints[name], parameter.default))
    shape = msgspec.defstruct(function.__name__, fields, kw_only=True, forbid_unknown_fields=True)
    made = PythonTool(function.__name__, function, shape, wants_call, threads)
    ArgumentRules(made.schema)
    return made
