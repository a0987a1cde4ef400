"""From stored webhooks to product events: reads, windows, freshness, replays, the bus."""
