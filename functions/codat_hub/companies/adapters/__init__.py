"""Companies, assignments and consents in DynamoDB, and companies at Codat."""
