"""Codat Hub: one package for every Lambda; handlers -> usecases -> domain, adapters at the edge."""
