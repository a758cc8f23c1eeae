"""Pulls models from the hub, through huggingface_hub."""
