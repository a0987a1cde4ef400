"""Compares Codat with the hub, repairs the hub's side, and lists the rest for a person."""
