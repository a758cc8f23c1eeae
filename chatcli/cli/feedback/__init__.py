"""``chatcli feedback``."""
