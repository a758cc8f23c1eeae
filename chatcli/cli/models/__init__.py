"""``chatcli models``."""
