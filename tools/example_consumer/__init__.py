"""An example consumer of product events for teams to copy; README.md says how."""
