"""Companies with their products and connections, and how these are shown."""
