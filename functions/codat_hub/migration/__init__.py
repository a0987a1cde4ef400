"""The move from client-level to product-level sync settings, forward and back."""
