"""What a conversation is: pure values and algorithms. No I/O, no third-party imports."""
