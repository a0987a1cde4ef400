"""Starts, works on and shows a run; its steps check the account, the companies, the directory."""
