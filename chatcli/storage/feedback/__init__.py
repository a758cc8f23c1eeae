"""The feedback log and the guideline on disk."""
