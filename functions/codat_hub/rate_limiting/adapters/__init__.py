"""The rate limiter and Codat's notices in the State table."""
