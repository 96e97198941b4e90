"""Composition root: the only file that picks concrete classes."""
