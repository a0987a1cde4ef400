"""What commands share at the terminal: options, questions, output, progress."""
