"""What agents ask for while they talk: done here for the call at hand, or by a business system.

::

    asking.py       ToolCall, ToolProblem, LiveCall: the shapes
    roll.py         Roll: which call a tool call belongs to
    arguments.py    arguments against their JSON Schema, in words that an agent can read out
    limits.py       what one call may ask for
    builtin.py      the tools that the bridge does itself
    toolbox.py      everything above, in order: one tool call from its request to its answer
    python.py       tools written in Python
    destinations.py which addresses may be sent to; a name is resolved once and pinned
    sending.py      one signed POST, bounded, without redirects
    delivery.py     a tool call on to its business system, and the answer back; durable ones are kept
    courier.py      delivers what the store's outbox keeps, with back-off, in order within a lane
    events.py       what business systems are told of calls, and what is fetched after one
"""
