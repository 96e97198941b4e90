"""Configuration: TOML and environment become frozen Settings; every mistake is reported at once."""
