"""Views of several features together, for the control API only."""
