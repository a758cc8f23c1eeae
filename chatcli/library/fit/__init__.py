"""Which model and context fit this machine."""
