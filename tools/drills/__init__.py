"""Drills: long checks of the whole system, each a command of its own."""
