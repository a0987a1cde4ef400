"""Reserve calls for a migration or a reconcile."""
