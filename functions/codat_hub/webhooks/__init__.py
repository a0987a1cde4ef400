"""Webhooks as Codat delivers them: authenticated, recognised and stored once."""
