"""Tool calls from agents on to business systems."""
