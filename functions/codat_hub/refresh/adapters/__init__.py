"""Tickets, leases and runs in the State table, and the refresh queue."""
