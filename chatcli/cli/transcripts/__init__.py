"""``chatcli transcripts``."""
