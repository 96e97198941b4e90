"""``python -m bridge``: the same commands as ``callbridge``."""

from bridge.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
