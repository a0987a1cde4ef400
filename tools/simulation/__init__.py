"""Worlds, histories and fakes of the hub in memory, for benchmarks and tests."""
