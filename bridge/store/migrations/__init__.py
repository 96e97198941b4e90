"""The steps by which a database becomes what ``tables.py`` says. Run by ``schema.py``, never by hand."""
