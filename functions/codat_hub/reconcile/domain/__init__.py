"""Decides what differs, how bad the difference is, and what may repair it."""
