"""Dataset formats, one file per family."""
