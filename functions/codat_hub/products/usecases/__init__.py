"""Register products and keep their schedules."""
