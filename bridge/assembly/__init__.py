"""Parts of the composition root: each puts one subject together for ``app``."""
