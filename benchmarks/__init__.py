"""What is measured, how to run it, and what came out: README.md and LOG.md."""
