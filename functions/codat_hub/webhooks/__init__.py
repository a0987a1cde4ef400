"""Webhooks as they arrive: what makes a delivery authentic, what it is about, stored once."""
