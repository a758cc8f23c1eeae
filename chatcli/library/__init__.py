"""Models on disk: where they are, what they are called, how one is opened."""
