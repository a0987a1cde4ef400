"""The sandbox over HTTP: Codat's API, the /_sandbox contract and the page for people."""
