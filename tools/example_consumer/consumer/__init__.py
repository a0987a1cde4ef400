"""The function's package. It imports only itself, boto3 and urllib3, which Lambda's runtime has."""
