"""Judgements of answers: records, what they come to, statistics. Pure values; files belong to storage."""
