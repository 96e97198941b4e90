"""What agents ask for while they talk: done here for the call at hand, or by a business system.

::

    asking.py       ToolCall, ToolProblem, LiveCall: the shapes
    roll.py         Roll: which call a tool call belongs to
    arguments.py    arguments against their JSON Schema, in words that an agent can read out
    limits.py       what one call may ask for
    builtin.py      the tools that the bridge does itself
    toolbox.py      Toolbox.run: everything above, in order
"""
