"""Choosing between answers with single keys."""
