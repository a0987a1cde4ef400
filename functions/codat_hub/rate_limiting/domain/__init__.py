"""Decides when the next call may leave, and why it has to wait."""
