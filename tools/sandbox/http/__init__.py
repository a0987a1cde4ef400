"""The sandbox over HTTP: the application, and what surrounds every request."""
