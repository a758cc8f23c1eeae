"""Small exports of other programs, with branches."""

from typing import Any


def chatgpt() -> dict[str, Any]:
    """A chat in which an answer was generated again, after a tool was called; the first answer is current."""

    def node(key: str, parent: str | None, children: list[str], message: Any) -> dict[str, Any]:
        return {"id": key, "parent": parent, "children": children, "message": message}

    def message(role: str, *parts: Any, kind: str = "text", **more: Any) -> dict[str, Any]:
        content = {"content_type": kind, "parts": list(parts)}
        return {"author": {"role": role}, "content": content, "recipient": "all", "create_time": 1.7e9} | more

    code = {
        "author": {"role": "assistant"},
        "recipient": "python",
        "content": {"content_type": "code", "text": "print(6 * 7)"},
    }
    hidden = message("system", "", metadata={"is_visually_hidden_from_conversation": True})
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://x"}
    question = message("user", picture, "What is six times seven?", kind="multimodal_text")
    output = {
        "author": {"role": "tool", "name": "python"},
        "content": {"content_type": "execution_output", "text": "42"},
    }
    nodes = [
        node("second", "ask", [], message("assistant", "42!", metadata={"model_slug": "gpt-x"})),
        node("root", None, ["hidden"], None),
        node("hidden", "root", ["ask"], hidden),
        node("ask", "hidden", ["call", "second"], question),
        node("call", "ask", ["output"], code),
        node("output", "call", ["first"], output),
        node(
            "first", "output", ["thanks"], message("assistant", "It is 42.", metadata={"model_slug": "gpt-x"})
        ),
        node("thanks", "first", [], message("user", "Thanks")),
    ]
    return {
        "title": "Six by seven",
        "create_time": 1.6e9,
        "conversation_id": "c-1",
        "current_node": "first",
        "mapping": {n["id"]: n for n in nodes},
    }


def open_webui() -> dict[str, Any]:
    """A chat with two answers, of which the first, with reasoning, is current."""
    reasoning = (
        '<details type="reasoning" done="true" duration="2">\n<summary>Thought for 2 seconds</summary>\n'
        "&gt; a &lt; b\n&gt; so b</details>\n"
    )
    messages = {
        "u": {
            "id": "u",
            "parentId": None,
            "childrenIds": ["a", "b"],
            "role": "user",
            "content": "Which?",
            "files": [{"type": "file", "name": "list.txt"}],
        },
        "b": {"id": "b", "parentId": "u", "childrenIds": [], "role": "assistant", "content": "a."},
        "a": {
            "id": "a",
            "parentId": "u",
            "childrenIds": [],
            "role": "assistant",
            "content": reasoning + "b.",
            "model": "qwen",
            "timestamp": 1_700_000_000,
        },
    }
    history = {"messages": messages, "currentId": "a"}
    chat = {"title": "A or b", "history": history, "params": {"system": "Be short."}, "messages": []}
    return {"id": "w-1", "title": "A or b", "chat": chat, "created_at": 1_700_000_000}
