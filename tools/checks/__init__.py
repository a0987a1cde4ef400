"""Checks of the template and of the pinned packages by other tools: `make security`."""
