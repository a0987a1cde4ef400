"""One module, one Lambda: AWS event in, AWS answer out, nothing else."""
