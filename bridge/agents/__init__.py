"""THE AGENT SIDE: a package for each kind of hosted voice agent."""
