"""What every request can meet: limits, idempotency keys, pages, queries, faults, errors."""
