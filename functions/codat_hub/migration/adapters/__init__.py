"""The ledger, manifests and executions of a run, and Codat's calls for it."""
