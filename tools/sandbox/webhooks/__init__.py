"""Webhook consumers and the delivery of messages to them, as Codat's provider (Svix) does it."""
