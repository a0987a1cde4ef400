"""Decides what a read means to a team: its window, its outcome, its event."""
