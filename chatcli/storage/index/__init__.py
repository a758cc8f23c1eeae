"""The search index of transcripts, a cache."""
