"""Project webhooks, project them again, measure freshness."""
