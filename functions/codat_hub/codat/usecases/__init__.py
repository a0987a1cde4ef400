"""The binding of a stack to one Codat client."""
