"""Products as the client registers them: their data types, rules and schedules."""
