"""XUNA, and agents that speak its dialect."""
