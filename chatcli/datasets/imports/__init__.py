"""Judgements of other programs, read into records."""
