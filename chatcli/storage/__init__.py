"""The only code that writes user data: durable appends, transcripts, the record log, the search index."""
