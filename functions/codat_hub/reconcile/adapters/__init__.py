"""Stores the runs in the State table, and reads Codat."""
