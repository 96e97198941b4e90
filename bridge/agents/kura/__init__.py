"""Kura."""
