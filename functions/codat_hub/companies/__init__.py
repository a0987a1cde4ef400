"""Companies, their products and the consent for each: directory, assignment, consents."""
