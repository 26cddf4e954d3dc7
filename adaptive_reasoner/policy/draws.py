"""Draws that a key decides: the same in every process, and uniform over keys."""

import hashlib


def uniform_from_key(key: str, *, draw: str = "policy-mixture") -> float:
    """A number in [0, 1) for `key`, always the same, and uniform over keys.

    Args:
        key: The identity of the question.
        draw: Names the draw, in at most 16 letters; draws of different names are independent.

    Example:
        >>> drawn = uniform_from_key("question 7")
        >>> drawn == uniform_from_key("question 7"), 0 <= drawn < 1
        (True, True)
    """
    digest = hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=8, person=draw.encode()).digest()
    return (int.from_bytes(digest, "big") >> 11) * 2.0**-53
