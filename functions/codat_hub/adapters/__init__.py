"""The only code that knows boto3, httpx, DynamoDB keys, Codat URLs."""
