"""The trial of a model file in a child process, and its remembered verdict."""
