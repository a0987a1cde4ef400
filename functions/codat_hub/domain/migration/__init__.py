"""The move from client-level to product-level sync settings, as decisions on values in hand."""
