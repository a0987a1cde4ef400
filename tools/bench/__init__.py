"""Benchmarks measure the hub and the sandbox on this machine."""
