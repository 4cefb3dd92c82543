"""One secret for a whole set, and none once it is complete."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from anonymizer import vault
from anonymizer.errors import UsageError
from anonymizer.identities import run_secret
from anonymizer.manifest import Journal, journal
from anonymizer.settings import Settings


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Journal]:
    with journal(tmp_path / "j", tmp_path / "m") as opened:
        yield opened


def test_a_secret_is_drawn_once_and_for_the_owner_alone(tmp_path, known):
    first = vault.with_secret(Settings(), tmp_path, known)
    again = vault.with_secret(Settings(), tmp_path, known)
    assert first.secret_file == tmp_path / vault.FILE
    assert run_secret(first) == run_secret(again)
    assert len(run_secret(first)) == 32
    assert stat.S_IMODE((tmp_path / vault.FILE).stat().st_mode) == 0o600


def test_a_secret_that_was_half_drawn_is_drawn_again(tmp_path, known):
    (tmp_path / f"{vault.FILE}.new").write_bytes(b"ha")
    assert len(run_secret(vault.with_secret(Settings(), tmp_path, known))) == 32


def test_the_next_set_gets_another_secret(tmp_path, known):
    first = run_secret(vault.with_secret(Settings(), tmp_path, known))
    vault.forget(tmp_path)
    assert not (tmp_path / vault.FILE).exists()
    assert run_secret(vault.with_secret(Settings(), tmp_path, known)) != first
    vault.forget(tmp_path)
    vault.forget(tmp_path)


def test_a_given_secret_is_used_but_not_kept(tmp_path, known):
    key = tmp_path / "key"
    key.write_bytes(b"sixteen bytes or more")
    settings = Settings(secret_file=key)
    assert vault.with_secret(settings, tmp_path, known) == settings
    assert vault.with_secret(settings, tmp_path, known) == settings
    assert not (tmp_path / vault.FILE).exists()
    assert b"sixteen" not in b"".join(p.read_bytes() for p in tmp_path.glob("j*"))


@pytest.mark.parametrize("other", [Settings(), Settings(seed=2)])
def test_a_set_is_not_mixed_of_two_secrets(tmp_path, known, other):
    assert vault.with_secret(Settings(seed=1), tmp_path, known).seed == 1
    with pytest.raises(UsageError, match="was begun with"):
        vault.with_secret(other, tmp_path, known)


def test_a_set_with_a_secret_of_its_own_takes_no_other(tmp_path, known):
    vault.with_secret(Settings(), tmp_path, known)
    with pytest.raises(UsageError, match="secret of its own"):
        vault.with_secret(Settings(seed=1), tmp_path, known)
