"""SOUND: bytes in, bytes out. No network, no clock."""
