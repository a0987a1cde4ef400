"""Project webhooks, replay stored ones, measure freshness."""
