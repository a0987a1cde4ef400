"""The steps of a migration. Each of activities 1 to 5 is a module: `apply`, and `compensate`.

A step writes its intent to the ledger before each change at Codat, and the outcome after it. What
was there before is saved once, before any change. Every undo reads the ledger, touches only what
this run changed, and can be repeated.
"""
