"""Finds the code in an answer."""


def code_blocks(text: str) -> list[str]:
    """The contents of all code blocks of a Markdown text, in order, also inside of lists and quotes."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt().parse(text)
    return [token.content for token in tokens if token.type in {"fence", "code_block"}]
