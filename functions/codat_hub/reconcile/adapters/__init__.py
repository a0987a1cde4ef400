"""Runs in the State table, and Codat as reconcile reads it."""
