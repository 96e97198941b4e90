"""Is the process alive, does it take calls?"""

from bridge.runtime.switchboard import Limits, Switchboard
from bridge.web.health import health_routes
from tests.web.asking import ask


async def state(board: Switchboard, *, ready: bool = True) -> tuple[int, str]:
    """Of /readyz."""
    reply = await ask(health_routes(board, lambda: ready), "GET", "/readyz")
    return reply.status, reply.json["status"]


async def test_alive_is_alive_whatever_else() -> None:
    """A process that drains or starts is not to be killed for it."""
    board = Switchboard(Limits(max_calls=0))
    board.draining = True
    reply = await ask(health_routes(board, lambda: False), "GET", "/healthz")
    assert (reply.status, reply.json) == (200, {"status": "alive"})


async def test_ready_is_who_takes_calls() -> None:
    """503 with the reason for whoever does not: starting, full, leaving, draining."""
    assert await state(Switchboard(Limits())) == (200, "ready")
    assert await state(Switchboard(Limits()), ready=False) == (503, "starting")
    assert await state(Switchboard(Limits(max_calls=0))) == (503, "full")
    for name in ("leaving", "draining"):
        board = Switchboard(Limits(max_calls=0))
        setattr(board, name, True)
        assert await state(board, ready=False) == (503, "draining")


async def test_the_number_of_calls_is_told() -> None:
    """And nothing else."""
    reply = await ask(health_routes(Switchboard(Limits()), lambda: True), "GET", "/readyz")
    assert reply.json == {"status": "ready", "active_calls": 0}
