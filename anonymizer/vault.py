"""The one secret of a dataset: given by the user, or drawn once and kept until the set is done."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Final

from anonymizer.errors import UsageError
from anonymizer.identities import run_secret
from anonymizer.manifest import Journal
from anonymizer.settings import Settings

FILE: Final = "secret"
"""In the folder of the journal, for the owner alone."""
_NOTE: Final = "secret"


def with_secret(settings: Settings, folder: Path, known: Journal) -> Settings:
    """Settings with the secret of this set: the given one, or one drawn when the set was begun.

    Of a secret that was given the journal keeps a salted scrypt hash, so that no other one is used
    for the rest of the set.

    Raises:
        UsageError: if the set was begun with another secret, or the secret file is not good.
    """
    check = known.note(_NOTE)
    if settings.seed is None and settings.secret_file is None:
        if check is not None:
            raise UsageError(
                f"{folder.parent}: was begun with a secret of yours; give the same --secret-file "
                "or --seed, or choose another destination"
            )
        return replace(settings, secret_file=_drawn(folder.absolute() / FILE))
    if (folder / FILE).exists():
        raise UsageError(
            f"{folder.parent}: was begun with a secret of its own; leave --secret-file and --seed "
            "out until it is complete, or choose another destination"
        )
    secret = run_secret(settings)
    if check is None:
        known.put_note(_NOTE, _hashed(secret, secrets.token_bytes(16)))
    elif not hmac.compare_digest(check, _hashed(secret, bytes.fromhex(check[:32]))):
        raise UsageError(
            f"{folder.parent}: was begun with another secret; give that one, or choose another "
            "destination"
        )
    if settings.secret_file is not None:
        return replace(settings, secret_file=settings.secret_file.absolute())
    return settings


def forget(folder: Path) -> None:
    """Remove the secret that was drawn, if one was: the set is complete."""
    (folder / FILE).unlink(missing_ok=True)


def _drawn(path: Path) -> Path:
    """A file with a secret; a new one appears whole or not at all."""
    if not path.exists():
        new = path.with_name(f"{path.name}.new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    return path


def _hashed(secret: bytes, salt: bytes) -> str:
    return salt.hex() + hashlib.scrypt(secret, salt=salt, n=2**14, r=8, p=1).hex()
