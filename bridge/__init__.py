"""Callbridge: answers phone calls, connects each to a hosted voice agent, and places calls for one.

Start reading at ``bridge/runtime/session.py``; the plan of the house is ``docs/architecture.md``.
"""
