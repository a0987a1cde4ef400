"""Decides about a run: its plan, its chunks, its settings and consumers."""
