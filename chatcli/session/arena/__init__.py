"""Blind duels between contenders."""
