"""Codat's Platform API: the calls that the hub makes, and what their answers mean."""
