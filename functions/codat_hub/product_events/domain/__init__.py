"""Decisions about reads: the window, the outcome and the event that teams receive."""
