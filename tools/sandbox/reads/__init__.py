"""Reads of a company's data: how they run, what they change and what they send."""
