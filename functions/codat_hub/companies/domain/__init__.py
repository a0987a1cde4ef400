"""A company, a product on it, and the consent to that product."""
