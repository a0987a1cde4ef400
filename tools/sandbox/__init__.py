"""A stateful stand-in for Codat's API: what it knows, when it changes, what it sends."""
