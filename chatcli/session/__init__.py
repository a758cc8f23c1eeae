"""One live chat: what the terminal and the one-shot command do, without printing anything."""
