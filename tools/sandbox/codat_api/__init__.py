"""The routes of Codat's API."""
