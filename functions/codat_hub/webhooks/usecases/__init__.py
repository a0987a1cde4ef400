"""Receive a delivery: verify it, recognise it, store it once."""
