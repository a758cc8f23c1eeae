"""How much memory a model takes and this process may use."""
