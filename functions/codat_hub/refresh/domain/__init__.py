"""Decides about a ticket: its status, its backoff, its lease, what an answer means."""
