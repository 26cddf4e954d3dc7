"""The most tokens that an image, a recording or a document can be billed at, by its provider's rules.

Sources, read in 2026: OpenAI's and Anthropic's pages on vision, Google's page on tokens. Where a rule depends
on what cannot be seen from here (the size of a file behind an address), its largest value stands.
"""

import base64
import binascii
import struct
from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

from adaptive_reasoner.lazy_pattern import pattern

_Size = tuple[int, int] | None

_CONTEXT = 1_048_576  # tokens: no provider takes a longer prompt that holds media
_LEAST_DOCUMENT = 8_192  # one page, as text and as an image
_PER_BYTE = {"audio": 1, "document": 16, "video": 8}  # compressed text and frames; recordings have >= 32 B/s

_CLAUDE_IMAGE = 4_784  # 1,600 up to Opus 4.6, whose images are scaled down further
_GEMINI_IMAGE = 6_192  # 24 tiles of 258
_GEMINI_LEAST = 2_240  # of Gemini 3, at its highest resolution, whatever the size
_OPENAI_IMAGE = 3_779  # 1,536 patches times 2.46; those billed by tiles come to less
_ANY_IMAGE = 48_169  # gpt-4o-mini: 2,833 and 8 tiles of 5,667
_OPENAI_NAMES = pattern(r"(?<![\w-])(?:chatgpt-4o|gpt-4o(?!-mini)|gpt-4\.[15]|gpt-5(?![.\d])|o[134](?!\w))")

_KINDS = {
    **dict.fromkeys(("image", "image_url", "input_image", "computer_screenshot"), "image"),
    "image_generation_call": "image",
    **dict.fromkeys(("audio", "input_audio", "audio_url"), "audio"),
    **dict.fromkeys(("video", "video_url", "input_video"), "video"),
    **dict.fromkeys(("file", "input_file", "document", "document_url", "media", "text-plain"), "document"),
}
_INLINE = ("data", "base64", "file_data", "bytes", "result")
_MIME = ("mime_type", "media_type", "mimeType", "format")
_DATA_URL = pattern(r"data:([\w.+-]+/[\w.+-]+)?[^,]{0,200},")


def media_kind(block: Mapping[str, Any]) -> str | None:
    """What a content block carries: image, audio, video, document; None for text and what is not known.

    Example:
        >>> media_kind({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}})
        'image'
        >>> media_kind({"type": "file", "mime_type": "audio/wav", "base64": "..."})
        'audio'
    """
    named = block.get("type")
    if named is None:  # Bedrock names the kind by the key
        named = next((name for name in _KINDS if isinstance(block.get(name), Mapping)), None)
    kind = _KINDS.get(str(named))
    if kind == "document":
        family = (_mime_type(block) or "").partition("/")[0]
        return family if family in ("image", "audio", "video") else kind
    return kind


def most_media_tokens(block: Mapping[str, Any], model: str = "") -> int:
    """A bound on the tokens of a block that `media_kind` knows.

    Args:
        block: The block, in the words of any provider.
        model: Name of the model; without it, the rule of the most expensive provider applies.

    Example:
        >>> image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
        >>> most_media_tokens(image, "claude-sonnet-4-5"), most_media_tokens(image, "gpt-4o")
        (4784, 3779)
    """
    kind = media_kind(block)
    assert kind is not None
    content = _inline(block)
    if kind == "image":
        return _image_tokens(_size(content or b""), model.casefold())
    if content is None:
        return _CONTEXT
    if kind == "document":
        if (_mime_type(block) or "").startswith("text/") or block.get("type") == "text-plain":
            return len(content)
        return min(_CONTEXT, max(_LEAST_DOCUMENT, _PER_BYTE[kind] * len(content)))
    return min(_CONTEXT, _PER_BYTE[kind] * len(content))


def without_content(block: Any) -> Any:
    """A block without the bytes it carries: what is left of it is read as text."""
    if isinstance(block, Mapping):
        return {
            name: "" if name in _INLINE else without_content(value)
            for name, value in block.items()
            if not isinstance(value, bytes)
        }
    if isinstance(block, list):
        return [without_content(each) for each in block]
    return "" if isinstance(block, str) and _DATA_URL.match(block) else block


def _image_tokens(size: _Size, model: str) -> int:
    if "claude" in model:
        return _CLAUDE_IMAGE if size is None else min(_CLAUDE_IMAGE, _claude_image(*size))
    if "gemini" in model:
        return _GEMINI_IMAGE if size is None else min(_GEMINI_IMAGE, max(_GEMINI_LEAST, _gemini_image(*size)))
    return _OPENAI_IMAGE if _OPENAI_NAMES.search(model) else _ANY_IMAGE


def _claude_image(width: int, height: int) -> int:
    """A token for 750 pixels, or for a patch of 28 by 28 that is begun."""
    return max(ceil(width * height / 750), ceil(width / 28) * ceil(height / 28))


def _gemini_image(width: int, height: int) -> int:
    """258 for a small image, and for each tile of a larger one."""
    if max(width, height) <= 384:
        return 258
    unit = min(768, max(256, int(min(width, height) / 1.5)))
    return 258 * ceil(width / unit) * ceil(height / unit)


def _strings(value: Any) -> Iterator[tuple[str, Any]]:
    """The entries of a block and of what it holds, the outer ones first."""
    if isinstance(value, Mapping):
        for name, held in value.items():
            yield str(name), held
        for held in value.values():
            yield from _strings(held)


def _mime_type(block: Mapping[str, Any]) -> str | None:
    """The kind of a file as `family/type`, where the block says so."""
    entries = list(_strings(block))
    declared = [value for name, value in entries if name in _MIME and isinstance(value, str) and value]
    inline = [_DATA_URL.match(value) for _, value in entries if isinstance(value, str)]
    return next(iter([*declared, *[found[1] for found in inline if found and found[1]]]), None)


def _inline(block: Mapping[str, Any]) -> bytes | None:
    """The bytes that a block carries; None where they are elsewhere."""
    for name, value in _strings(block):
        if isinstance(value, bytes):
            return value
        if not isinstance(value, str) or not value:
            continue
        found = _DATA_URL.match(value)
        if found or name in _INLINE:
            return _decoded(value[found.end() :] if found else value)
    return None


def _decoded(text: str) -> bytes:
    """The bytes that base64 encodes; of other text, the text itself."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text.encode(errors="surrogatepass")


def _size(content: bytes) -> _Size:
    """Width and height of a PNG, GIF or JPEG."""
    if content.startswith(b"\x89PNG\r\n\x1a\n") and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        return width, height
    if content.startswith((b"GIF87a", b"GIF89a")) and len(content) >= 10:
        width, height = struct.unpack("<HH", content[6:10])
        return width, height
    if content.startswith(b"\xff\xd8"):
        return _jpeg_size(content)
    return None


def _jpeg_size(content: bytes) -> _Size:
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame, of whatever coding
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return None
