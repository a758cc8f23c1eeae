"""The line editor of the chat."""
