"""Measures how readable a checkout is, by reading its files and never importing them."""
