"""One module for each resource of the control API. Rules live in use cases."""
