"""What every store needs: the State table, its items, cursors, queues of ids, versioned updates."""
