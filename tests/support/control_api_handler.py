"""The control API's module, and a caller of it."""

MODULE = "codat_hub.handlers.control_api"
CALLER = "arn:aws:sts::123456789012:assumed-role/operator/ann"
