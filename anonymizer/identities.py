"""Who appears on which track: drawn from a secret, unlinkable without it (P6)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Final

from anonymizer.errors import UsageError
from anonymizer.settings import Settings

Identity = Callable[[int], int]
"""From the id of a track to the seed that decides who appears there."""

MIN_SECRET: Final = 16
"""Fewest bytes of a secret file."""


def identities(secret: bytes, fingerprint: str) -> Identity:
    """Who appears on which track of a source: unlinkable without the secret (P6)."""

    def seed(track: int) -> int:
        text = f"{fingerprint}/{track}".encode()
        return int.from_bytes(hmac.digest(secret, text, "sha256")[:8]) >> 1

    return seed


def run_secret(settings: Settings) -> bytes:
    """What decides the identities of a run: given, or drawn afresh.

    Raises:
        UsageError: if the secret file cannot be read or is too short.
    """
    if settings.seed is not None:
        return hashlib.sha256(f"veilframe seed {settings.seed}".encode()).digest()
    if settings.secret_file is None:
        return secrets.token_bytes(32)
    try:
        secret = settings.secret_file.read_bytes()
    except OSError as error:
        raise UsageError(f"{settings.secret_file}: cannot be read ({error.strerror})") from error
    if len(secret) < MIN_SECRET:
        raise UsageError(
            f"{settings.secret_file}: holds {len(secret)} bytes, a secret needs {MIN_SECRET}; "
            f"make one with: head -c 32 /dev/urandom > {settings.secret_file}"
        )
    return secret
