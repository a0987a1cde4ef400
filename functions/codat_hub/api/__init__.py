"""The control API: HTTP in and out, one router per resource. The use cases hold the rules."""
