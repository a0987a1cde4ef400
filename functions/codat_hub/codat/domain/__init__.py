"""Codat's terms as values: times, quota, statuses, idempotency keys, event order."""
