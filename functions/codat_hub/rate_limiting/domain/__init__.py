"""Decides whether a call may leave now, and otherwise when and why it has to wait."""
