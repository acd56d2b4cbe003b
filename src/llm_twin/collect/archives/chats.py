"""Conversations with ChatGPT and Claude: `conversations.json`. Only the author's own turns are the author's words.

Version 1, from exports of 2023 to 2025. ChatGPT's messages are a tree, of which the branch that was read last is taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from llm_twin.collect.archives.container import Archive
from llm_twin.collect.archives.formats import Broken, Item, Read, Recognise, Wanted, attempt, made, reader
from llm_twin.collect.archives.plain import day, elements, seconds
from llm_twin.errors import Permanent, Reason

VERSION = "conversations 1"
CHATGPT = re.compile(rb'"mapping"\s*:\s*\{')
CLAUDE = re.compile(rb'"chat_messages"\s*:\s*\[')
HEAD = 65_536  # bytes; the title comes before
NAME = re.compile(r"[0-9A-Za-z_-]{8,80}")

Conversation = dict[str, Any]


def _files(archive: Archive, mark: re.Pattern[bytes]) -> list[str]:
    found = (path for path in archive.members if path.lower().endswith(".json"))
    return [
        path
        for path in found
        if (head := archive.head(path, HEAD)).lstrip(b"\xef\xbb\xbf \r\n").startswith(b"[") and mark.search(head)
    ]


def _recognises(mark: re.Pattern[bytes]) -> Recognise:
    return lambda archive: bool(_files(archive, mark))


def _reads(mark: re.Pattern[bytes], document: Callable[[Conversation, str, Wanted], Item]) -> Read:
    def read(archive: Archive, wanted: Wanted) -> Iterator[Item]:
        for path in _files(archive, mark):
            yield from attempt(path, partial(_conversations, archive, path, document, wanted))

    return read


def _conversations(
    archive: Archive, path: str, document: Callable[[Conversation, str, Wanted], Item], wanted: Wanted
) -> Iterator[Item]:
    with archive.lines(path) as lines:
        for number, found in enumerate(elements(lines, path), 1):
            where = f"{path}, item {number}"
            if isinstance(found, dict):
                yield from attempt(where, document, found, where, wanted)
            else:
                yield Broken(where, Permanent(Reason.BAD_DATA, "no conversation"))


def _chatgpt(conversation: Conversation, where: str, wanted: Wanted) -> Item:
    name = _named(conversation.get("conversation_id") or conversation.get("id"))
    mapping = conversation.get("mapping")
    nodes = mapping if isinstance(mapping, dict) else {}
    at, turns, visited = conversation.get("current_node") or _last(nodes), [], 0
    while isinstance(at, str) and isinstance(node := nodes.get(at), dict) and visited <= len(nodes):
        visited += 1  # a circle ends
        if text := _asked(node.get("message")):
            turns.append(text)
        at = node.get("parent")
    return _made(
        wanted,
        where,
        f"https://chatgpt.com/c/{name}",
        "chatgpt",
        conversation.get("title"),
        turns[::-1],
        seconds(conversation.get("create_time")),
    )


def _last(nodes: Conversation) -> object:
    """The message that was written last, in exports that do not say which branch was read."""
    moments: dict[object, float] = {}
    for name, node in nodes.items():
        message = node.get("message") if isinstance(node, dict) else None
        written = message.get("create_time") if isinstance(message, dict) else None
        moments[name] = written if isinstance(written, int | float) else 0.0
    return max(moments, key=lambda name: moments[name], default=None)


def _asked(message: object) -> str:
    """What the author wrote in a message; nothing for those of the model, and for settings sent along."""
    if not isinstance(message, dict):
        return ""
    author, content, metadata = message.get("author"), message.get("content"), message.get("metadata")
    hidden = isinstance(metadata, dict) and metadata.get("is_visually_hidden_from_conversation")
    if not isinstance(author, dict) or author.get("role") != "user" or hidden or not isinstance(content, dict):
        return ""
    if content.get("content_type") not in ("text", "multimodal_text"):
        return ""
    parts = content.get("parts")
    texts = [_words(part) for part in parts] if isinstance(parts, list) else []
    return "\n\n".join(text.strip() for text in texts if text.strip())


def _words(part: object) -> str:
    """What was typed, or what was said aloud and written down."""
    if isinstance(part, dict) and part.get("content_type") == "audio_transcription":
        part = part.get("text")
    return part if isinstance(part, str) else ""


def _claude(conversation: Conversation, where: str, wanted: Wanted) -> Item:
    name = _named(conversation.get("uuid"))
    messages = conversation.get("chat_messages")
    turns = [_said(each) for each in messages] if isinstance(messages, list) else []
    return _made(
        wanted,
        where,
        f"https://claude.ai/chat/{name}",
        "claude",
        conversation.get("name"),
        [turn for turn in turns if turn],
        day(conversation.get("created_at")),
    )


def _said(message: object) -> str:
    if not isinstance(message, dict) or message.get("sender") != "human":
        return ""
    if isinstance(text := message.get("text"), str) and text.strip():
        return text.strip()
    content = message.get("content")
    parts = [part.get("text") for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return "\n\n".join(part.strip() for part in parts if isinstance(part, str) and part.strip())


def _named(name: object) -> str:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Permanent(Reason.BAD_DATA, "a conversation without its id")
    return name


def _made(wanted: Wanted, where: str, link: str, platform: str, title: object, turns: list[str], at: Any) -> Item:
    return made(
        wanted,
        where,
        link,
        platform=platform,
        kind="post",
        title=title if isinstance(title, str) else "",
        text="\n\n".join(turns),
        published_at=at,
        type="conversation",
        turns=len(turns),
        parser=VERSION,
    )


reader("chatgpt", "an export of ChatGPT", recognises=_recognises(CHATGPT))(_reads(CHATGPT, _chatgpt))
reader("claude", "an export of Claude", recognises=_recognises(CLAUDE))(_reads(CLAUDE, _claude))
