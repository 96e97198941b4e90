"""WHAT A CALL IS: what can happen, what is ordered, what is kept. No network, no clock."""
