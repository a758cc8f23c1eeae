"""Builds sessions from settings: what cli and terminal both need."""
