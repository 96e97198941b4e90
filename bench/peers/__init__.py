"""Other ways to build the same bridge, measured by the same load: ``python -m bench.peers``."""
