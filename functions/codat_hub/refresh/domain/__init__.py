"""Decides what becomes of tickets, leases and runs, without input or output."""
