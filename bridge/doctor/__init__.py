"""What ``callbridge doctor`` looks at, one subject in each file; every check is bounded in time and gives Findings.

::

    findings.py   Finding: ok, warn or FAIL, what was found, and the remedy
    probe.py      requests as the carrier makes them, signed with our own token
    front.py      public_url and the media socket, through whatever proxy stands before us
    carrier.py    the account, the clock, and where our numbers' calls are sent (and sends them here: --fix)
    within.py     database, disk, agents
    checkup.py    all of it, in order
"""
