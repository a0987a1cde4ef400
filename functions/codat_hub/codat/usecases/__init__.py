"""The stack changes things at Codat only as the client that it is bound to."""
