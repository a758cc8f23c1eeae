"""The slash commands: declared in ``table``, obeyed by a module for each theme."""
