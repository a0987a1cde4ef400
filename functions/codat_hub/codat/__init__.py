"""Codat's vocabulary and its HTTP client: times, quota, statuses, idempotency, errors."""
