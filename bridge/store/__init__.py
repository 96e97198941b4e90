"""Records, on SQLite or PostgreSQL: what must outlive a process or be seen by every instance.

::

    url.py          DATABASE_URL as people write it -> Place
    database.py     Database: transactions with a time limit, StoreUnavailable for everything that means "away"
    sqlite.py  postgresql.py  transaction.py    the two drivers, and what a transaction can do on either
    failures.py     which driver error means what
    tables.py       every table
    schema.py       brings a database up to date; migrations/ holds the steps
    document.py     CallRecord <-> row; how two accounts of one call become one
    calls.py        Calls: offer, get, change, list, delete
    writer.py       Writer: the sound never waits for the store
    grants.py  idempotency.py  commands.py  instances.py
    outbox.py       Outbox: messages that must arrive, leased to whoever delivers them
    announced.py    how far the events of a call have been put into the outbox
    checkpoints.py  where the runs of calls we place keep how far they have come
    busy.py         has an agent a call on another instance?

To add a table: describe it in ``tables.py`` (times are whole microseconds since 1970 in UTC, named ``..._us``; no foreign
key to ``calls``, whose row may be written later than yours); add ``migrations/versions/NNNN_noun.py`` that creates it with
``op.create_table`` and names the step before it as ``down_revision``; write the class that owns it in a file of its own,
which takes a ``Database`` and uses ``database.read()`` and ``database.write()``. The tests compare ``tables.py`` with what
the migrations build. While a deployment is replaced, old code runs on the new tables: only add tables, columns with a
default, and indexes; what is taken away goes a release later than the code that used it.
"""
