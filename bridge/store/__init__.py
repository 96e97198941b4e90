"""Records, on SQLite or PostgreSQL."""
