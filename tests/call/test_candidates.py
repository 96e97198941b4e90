"""bridge/call/candidates.py: which agent is tried next, and for how long."""

import pytest

from bridge.call.candidates import AGAIN_S, MAX_LOSSES, RETRY_PAUSE_S, SUCCESSOR_S, Attempt, Candidates
from bridge.errors import AgentFailure, Reason


def failure(*, retry: bool = True, after: float | None = None) -> AgentFailure:
    """An attempt failed."""
    return AgentFailure("no", reason=Reason.AGENT_5XX, retry=retry, retry_after=after)


def three() -> Candidates:
    """A line with two backups."""
    return Candidates(("a", "b", "c"), start_budget_s=4.0)


def test_the_first_agent_has_the_start_budget() -> None:
    """At once, and its retry included."""
    attempt = three().first(10.0)
    assert (attempt.name, attempt.delay, attempt.budget) == ("a", 0.0, 4.0)


def test_a_failure_that_may_pass_is_tried_once_more_within_the_same_budget() -> None:
    """The second try has only what the first one left; a third one is another agent's."""
    candidates = three()
    candidates.first(0.0)
    again = candidates.after_failure(failure(), 1.0)
    assert again is not None
    assert (again.name, again.delay, again.budget) == ("a", RETRY_PAUSE_S, 3.0)
    following = candidates.after_failure(failure(), 2.0)
    assert following is not None
    assert (following.name, following.delay, following.budget) == ("b", 0.0, SUCCESSOR_S)


def test_a_failure_that_cannot_pass_goes_to_the_next_agent_at_once() -> None:
    """A wrong key is not tried twice."""
    candidates = three()
    candidates.first(0.0)
    attempt = candidates.after_failure(failure(retry=False), 0.1)
    assert attempt is not None
    assert attempt.name == "b"


@pytest.mark.parametrize(
    ("after", "name", "delay"), [(0.0, "a", 0.0), (1.0, "a", 1.0), (-5.0, "a", 0.0), (60.0, "b", 0.0)]
)
def test_retry_after_is_obeyed_where_there_is_time(after: float, name: str, delay: float) -> None:
    """The agent's own wish counts; one that does not fit into the budget means the next agent."""
    candidates = three()
    candidates.first(0.0)
    attempt = candidates.after_failure(failure(after=after), 0.5)
    assert attempt is not None
    assert (attempt.name, attempt.delay) == (name, delay)


def test_no_retry_where_no_time_is_left() -> None:
    """A caller is waiting: the budget is not stretched."""
    candidates = three()
    candidates.first(0.0)
    attempt = candidates.after_failure(failure(), 3.9)
    assert attempt is not None
    assert attempt.name == "b"


def test_nobody_is_left_after_the_last_backup() -> None:
    """Each agent had its turn."""
    candidates = Candidates(("a", "b"), start_budget_s=4.0)
    candidates.first(0.0)
    assert candidates.after_failure(failure(retry=False), 0.0) is not None
    assert candidates.after_failure(failure(retry=False), 0.0) is None


def test_a_lost_agent_is_tried_once_more_before_its_backups() -> None:
    """In mid-call the same agent comes first, then the others, each with the successor's budget; its own is shorter."""
    candidates = three()
    candidates.first(0.0)
    candidates.after_failure(failure(retry=False), 0.0)
    candidates.ready()
    names = [candidates.after_loss(9.0), candidates.after_failure(failure(retry=False), 9.1)]
    names.append(candidates.after_failure(failure(retry=False), 9.2))
    assert [(attempt.name, attempt.budget) for attempt in names if attempt] == [
        ("b", AGAIN_S),
        ("a", SUCCESSOR_S),
        ("c", SUCCESSOR_S),
    ]
    assert candidates.connected == 1


def test_losses_of_one_call_are_bounded() -> None:
    """After MAX_LOSSES something is wrong that another session does not mend."""
    candidates = three()
    candidates.first(0.0)
    for _ in range(MAX_LOSSES):
        assert candidates.after_loss(0.0) is not None
        candidates.ready()
    assert candidates.after_loss(0.0) is None


def test_a_lost_agent_that_is_silent_leaves_its_backup_the_time() -> None:
    """Within three seconds somebody has the call: half of them are the backup's; where there is none, the lost one has all."""
    candidates = Candidates(("support", "booking"), start_budget_s=4.0)
    candidates.first(0.0)
    candidates.ready()
    again = candidates.after_loss(10.0)
    assert again == Attempt("support", 0.0, 1.5)
    assert candidates.after_failure(failure(retry=True), 11.5) == Attempt("booking", 0.0, 3.0)
    alone = Candidates(("support",), start_budget_s=4.0)
    alone.first(0.0)
    alone.ready()
    assert alone.after_loss(10.0) == Attempt("support", 0.0, 3.0)
