"""Decides what differs, how severe that is, and what may repair it."""
