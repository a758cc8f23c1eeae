"""chatcli: a local chat assistant for the terminal that learns from the person using it."""

__version__ = "0.1.0"
