"""Compares what Codat says with what the hub knows, and repairs what it may."""
