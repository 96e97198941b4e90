"""Every table. Times are whole microseconds since 1970 in UTC: exact, ordered and the same in both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, SmallInteger, String, Table, Text, text

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
METADATA: Final = MetaData()
SERIAL: Final = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up by itself only in an INTEGER key

CALLS: Final = Table(
    "calls",
    METADATA,
    Column("call_id", String, primary_key=True),
    Column("carrier_call_id", String, unique=True),
    Column("direction", String, nullable=False),
    Column("status", String, nullable=False),
    Column("rank", SmallInteger, nullable=False),  # of the status: it only grows
    Column("agent", String, nullable=False),
    Column("line", String, nullable=False),
    Column("from_number", String, nullable=False),
    Column("to_number", String, nullable=False),
    Column("outcome", String),
    Column("instance", String, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Column("resumes", Integer, nullable=False),
    Column("steps", Integer, nullable=False),  # turns and events so far: how far an account of the call has come
    Column(
        "written_by", String, nullable=False
    ),  # the instance whose snapshot this is, "" where several had a hand in it
    Column("twiml", Text),  # the answer to the carrier's first question
    Column("document", Text, nullable=False),  # the whole record, JSON
)
Index("calls_newest", CALLS.c.created_us, CALLS.c.call_id)
Index("calls_from", CALLS.c.from_number)
Index("calls_to", CALLS.c.to_number)
Index("calls_unfinished", CALLS.c.created_us, sqlite_where=CALLS.c.rank < 3, postgresql_where=CALLS.c.rank < 3)

ERASED: Final = Table(  # deleted by an operator: a snapshot that comes late must not bring the call back
    "erased",
    METADATA,
    Column("call_id", String, primary_key=True),
    Column("erased_us", BigInteger, nullable=False),
)

ANSWERS: Final = Table(  # to /twilio/after: asked again with the same counter, the same TwiML
    "answers",
    METADATA,
    Column("call_id", String, primary_key=True),
    Column("counter", Integer, primary_key=True),
    Column("twiml", Text, nullable=False),
)

GRANTS: Final = Table(
    "grants",
    METADATA,
    Column("token_hash", String, primary_key=True),
    Column("carrier_call_id", String, nullable=False),
    Column("account_id", String, nullable=False),
    Column("call_id", String, nullable=False),
    Column("expires_us", BigInteger, nullable=False, index=True),
    Column("consumed_us", BigInteger),
)

IDEMPOTENCY: Final = Table(
    "idempotency",
    METADATA,
    Column("scope", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("body_hash", String, nullable=False),
    Column("http_status", Integer),  # NULL: the first request is still under way
    Column("response", Text),
    Column("expires_us", BigInteger, nullable=False, index=True),
)

COMMANDS: Final = Table(
    "commands",
    METADATA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("instance", String, nullable=False, index=True),
    Column("call_id", String, nullable=False),
    Column("verb", String, nullable=False),
    Column("args", Text, nullable=False),
    Column("put_us", BigInteger, nullable=False),
)

CONVERSATIONS: Final = Table(  # by text: which instance answers whom
    "conversations",
    METADATA,
    Column("key", String, primary_key=True),
    Column("instance", String, nullable=False),
    Column("agent", String, nullable=False),
    Column("person", String, nullable=False),
    Column("call_id", String, nullable=False, index=True),  # of the session that is open, "" for none
    Column("until_us", BigInteger, nullable=False, index=True),  # without another message
)

INSTANCES: Final = Table(
    "instances",
    METADATA,
    Column("id", String, primary_key=True),
    Column("seen_us", BigInteger, nullable=False),
    Column("active_calls", Integer, nullable=False),
    Column("draining", Boolean, nullable=False),
    Column("ceiling", Integer, nullable=False, server_default=text("0")),  # calls that it may have, of all instances'
    Column("capacity", Integer),  # calls that it can have; NULL: it does not say
    Column("kind", String, nullable=False, server_default=text("'bridge'")),  # or worker
)

AGENT_TIME: Final = Table(  # how long agents talked, by day of UTC; the instance is of one run
    "agent_time",
    METADATA,
    Column("day", String, primary_key=True),  # ISO 8601
    Column("instance", String, primary_key=True),
    Column("milliseconds", BigInteger, nullable=False),
)

LOGOUTS: Final = Table(  # sessions of the dashboard that were ended before they expired
    "logouts",
    METADATA,
    Column("session", String, primary_key=True),  # what its cookie has of its own; proves nothing
    Column("expires_us", BigInteger, nullable=False, index=True),
)

OUTBOX: Final = Table(  # messages that must arrive: tool calls that were put off, events
    "outbox",
    METADATA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("message_id", String, nullable=False, unique=True),
    Column("channel", String, nullable=False),  # whom it is for
    Column("lane", String, nullable=False),  # within one, the order counts
    Column("kind", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("due_us", BigInteger, nullable=False),
    Column("leased_us", BigInteger, nullable=False),  # somebody is at work on it until then
    Column("attempts", Integer, nullable=False),
    Column("dead_us", BigInteger),  # given up
    Column("error", String, nullable=False),
)
Index("outbox_lanes", OUTBOX.c.channel, OUTBOX.c.lane, OUTBOX.c.id)
Index(
    "outbox_due", OUTBOX.c.due_us, sqlite_where=OUTBOX.c.dead_us.is_(None), postgresql_where=OUTBOX.c.dead_us.is_(None)
)

ANNOUNCED: Final = Table(  # how far the events of a call have been put into the outbox
    "announced",
    METADATA,
    Column("call_id", String, primary_key=True),
    Column("stage", SmallInteger, nullable=False),  # 1 started, 2 answered, 3 ended
    Column("turns", Integer, nullable=False),
    Column("changed_us", BigInteger, nullable=False, index=True),
)

ATTEMPTS: Final = Table(  # calls that we place, until they are settled; the id of an attempt is its call's
    "attempts",
    METADATA,
    Column("call_id", String, primary_key=True),
    Column("campaign_id", String),  # NULL: a call by itself
    Column("position", Integer),  # of the person in the campaign
    Column("state", String, nullable=False),  # queued, dialling, placed, unknown, done
    Column("from_number", String, nullable=False),
    Column("to_number", String, nullable=False),
    Column("due_us", BigInteger, nullable=False),  # queued: dial then; placed: look then; unknown: conclude then
    Column("not_after_us", BigInteger),
    Column("owner", String, nullable=False),  # who asks the carrier, "" for nobody
    Column("tries", Integer, nullable=False),  # requests that the carrier surely did not carry out
    Column("dialled_us", BigInteger),  # allowed, then again before the carrier is asked; NULL: it surely never was
    Column("ended_us", BigInteger),
    Column("seconds", Integer, nullable=False),  # of talk
    Column("plan", Text, nullable=False),  # how to dial, JSON
)
Index("attempts_due", ATTEMPTS.c.state, ATTEMPTS.c.due_us)
Index("attempts_dialled", ATTEMPTS.c.dialled_us)
Index("attempts_campaign", ATTEMPTS.c.campaign_id, ATTEMPTS.c.dialled_us)

PACE: Final = Table(  # when the next call may be dialled; whoever holds the row "" is the only one who begins calls
    "pace",
    METADATA,
    Column("scope", String, primary_key=True),  # "" for all, else a campaign
    Column("next_us", BigInteger, nullable=False),
)

SUPPRESSED: Final = Table(  # who must not be called, for ever
    "suppressed",
    METADATA,
    Column("number", String, primary_key=True),
    Column("source", String, nullable=False),  # import, api, opt_out
    Column("note", String, nullable=False),
    Column("added_us", BigInteger, nullable=False),
)

CAMPAIGNS: Final = Table(
    "campaigns",
    METADATA,
    Column("campaign_id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("state", String, nullable=False),  # draft, running, paused, finished, canceled
    Column("why", String, nullable=False),  # it is paused
    Column("rules", Text, nullable=False),  # JSON
    Column("created_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
)
Index("campaigns_state", CAMPAIGNS.c.state)

TARGETS: Final = Table(  # the people of a campaign
    "targets",
    METADATA,
    Column("campaign_id", String, primary_key=True),
    Column("position", Integer, primary_key=True),  # from 1, in the order of the list
    Column("number", String, nullable=False),
    Column("name", String, nullable=False),
    Column("state", String, nullable=False),  # waiting, calling, done, skipped
    Column("due_us", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False),  # calls so far
    Column("call_id", String),  # the latest
    Column("result", String, nullable=False),  # confirmed, busy, ...; why skipped; "" while open
    Column("note", Text, nullable=False),
    Column("document", Text, nullable=False),  # zones, times, variables: JSON
)
Index("targets_due", TARGETS.c.campaign_id, TARGETS.c.state, TARGETS.c.due_us)


def micros(moment: datetime) -> int:
    """Whole microseconds since 1970. Raises TypeError where ``moment`` has no time zone."""
    return (moment - EPOCH) // timedelta(microseconds=1)
