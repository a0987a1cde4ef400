"""The Inbox table and the signing secrets in Secrets Manager."""
