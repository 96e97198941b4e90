"""Strict stand-ins, and the product as a process between them."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.acceptance.bridge import Bridge, serving

Serve = Callable[..., Awaitable[Bridge]]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts a bridge with a configuration; it is ended with the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(
            text: str, *arguments: str, env: dict[str, str] | None = None, by_environment: bool = False
        ) -> Bridge:
            return await stack.enter_async_context(
                serving(tmp_path, text, *arguments, env=env, by_environment=by_environment)
            )

        yield start
