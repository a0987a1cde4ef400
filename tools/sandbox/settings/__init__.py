"""Sync settings of client and company, and the schedules that follow from them."""
