"""Stored webhooks become product events: reads, windows, freshness, replays, the bus."""
