"""Faults for the deployed local stack: between functions and AWS, hub and Codat, and kills."""
