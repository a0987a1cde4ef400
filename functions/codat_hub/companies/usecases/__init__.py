"""Create companies, assign and remove products, record consents."""
