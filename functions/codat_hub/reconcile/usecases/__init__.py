"""A run and its steps: the account, the companies, the directory."""
