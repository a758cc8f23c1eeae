"""The formats that preference trainers and other programs read; each is declared once, in its module."""
