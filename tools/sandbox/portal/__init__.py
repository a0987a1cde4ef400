"""The routes under /_sandbox: what Codat's Portal does, and what only tests need."""
