"""Calls that we place: dialling policy, campaigns, windows."""
