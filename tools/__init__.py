"""What is never deployed: local stack, Codat sandbox, operator CLI, demo, benchmarks."""
