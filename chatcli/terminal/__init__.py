"""The screen and the keyboard: the only room that imports rich and prompt_toolkit."""
