"""Codat Hub: one package for every Lambda, one folder for every feature."""
