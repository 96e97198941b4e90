"""The built-in agent: needs no network, and talks."""
