"""The screen and the keyboard: the only room that imports prompt_toolkit."""
