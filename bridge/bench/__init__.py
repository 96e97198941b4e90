"""WHAT A MACHINE CARRIES: simulated calls and a simulated agent against a bridge in a process of its own.

It stands outside: it knows the bridge by its webhooks and sockets, and its sound to foretell what must come out.
"""
