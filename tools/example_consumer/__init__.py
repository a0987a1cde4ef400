"""An example consumer of product events: a stack for teams to deploy; README.md says how."""
