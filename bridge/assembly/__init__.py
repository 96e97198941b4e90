"""Parts of the house that are put together apart from ``app.py``, one subject in each file."""
