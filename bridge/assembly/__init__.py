"""Puts the larger subjects of the house together: beside ``app``, and at its level."""
