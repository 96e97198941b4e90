"""THE PHONE SIDE: a package for each carrier."""
