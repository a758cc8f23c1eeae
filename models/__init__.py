"""Models that come with the program, and the recipes that made them; not part of the installed package."""
