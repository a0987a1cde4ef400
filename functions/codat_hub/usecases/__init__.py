"""What happens, in which order, and what if it fails. Adapters come in as arguments."""
