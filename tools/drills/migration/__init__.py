"""A fault on every call of a migration, over HTTP, against the rules of a safe run."""
