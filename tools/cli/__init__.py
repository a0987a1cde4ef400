"""The operator's command line: `tools/hub --help`."""
