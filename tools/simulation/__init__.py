"""The hub with parts of it in memory, for benchmarks and tests: worlds, histories, fakes."""
