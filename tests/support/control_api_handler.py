"""Tests call the control API's handler by this name, as this caller."""

MODULE = "codat_hub.handlers.control_api"
CALLER = "arn:aws:sts::123456789012:assumed-role/operator/ann"
