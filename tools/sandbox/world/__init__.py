"""What Codat knows: its state, its time, its vocabulary, and the seed of it all."""
