"""The page at the root, for people."""
