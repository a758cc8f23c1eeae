"""From judgements to datasets for preference trainers, and back."""
