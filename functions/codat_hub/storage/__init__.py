"""The State table, its items, cursors, queues of ids, and versioned updates, for every store."""
