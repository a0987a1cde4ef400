"""A consumer of product events that a team can copy; README.md says how."""
