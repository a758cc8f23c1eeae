"""The transcripts folder."""
