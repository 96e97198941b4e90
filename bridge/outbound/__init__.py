"""Calls that we place: dialling policy, campaigns, windows; and the worker that places them.

::

    placing.py      one call, for an operator          campaigning.py  who of a campaign is next, and what follows
    engine.py       what is due and allowed begins     runs.py         its durable run, on DBOS: workers only
    dialler.py      asks the carrier, once             outcomes.py     waits for what becomes of it, and settles
"""
