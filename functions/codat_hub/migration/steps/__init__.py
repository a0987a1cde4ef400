"""One module for each of activities 1 to 5: `apply` and its undo, `compensate`, side by side.

A step writes its intent to the ledger before each change at Codat, and the outcome after it. What
was there before is saved once, before any change. Every undo reads the ledger, touches only what
this run changed, and can be repeated.
"""
