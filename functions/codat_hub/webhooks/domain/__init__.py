"""Decisions about a delivery: its signature, its secret, its event type."""
