"""All callers together stay within Codat's limits: breaker, reserve, one budget."""
