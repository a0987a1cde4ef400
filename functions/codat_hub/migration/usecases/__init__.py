"""A run from plan to report: what people start and what the state machine calls."""
