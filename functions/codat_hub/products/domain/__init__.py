"""A product, the rules for one, and its schedule."""
