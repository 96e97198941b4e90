"""The browser as a telephone: a carrier of our own, spoken by the page at ``/softphone``."""
