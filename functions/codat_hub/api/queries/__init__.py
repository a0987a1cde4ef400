"""Read models of the control API: views that no other feature needs."""
