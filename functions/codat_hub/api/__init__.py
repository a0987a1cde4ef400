"""The control API: HTTP in and out, one router module per resource. Rules live in use cases."""
