"""One module per activity: `apply` and `compensate` stand side by side.

Ledger first: an intent is written before each side effect, the outcome after it; what was found
before is written once and first. Every undo reads the ledger, touches only what this run changed,
and is safe to run twice.
"""
