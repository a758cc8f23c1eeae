"""The scripted engine: answers by rules or from a file."""
