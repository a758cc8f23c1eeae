"""From messages to tokens to text: the engine protocol and the engines."""
