"""Refreshes: tickets are opened, dispatched, called and woken."""
