"""`make preflight ENV=dev`: what would make a deployment fail, before it starts."""
