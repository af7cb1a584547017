"""Signed receipts, which students keep and can verify without a database.

A receipt is one JSON object. Its Ed25519 signature is over the canonical JSON of all other fields, so that white space
and the order of fields do not matter. It names the event that recorded the submission by number and chain hash, so that
receipts held by students pin the whole log before them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.errors import UserError

SCHEMA = "lhy-grade receipt 1"
ATTACHED = "lhy-grade attachment receipt 1"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Receipt:
    """The fields of a receipt. `quota_used` includes this submission; `next_slot` is None while slots are left.

    `practice` marks a file that came too late and counts for nothing; a receipt that is not one does not mention it.
    """

    schema: str
    course: str
    competition: str
    participant: str
    submission: int
    entry: int
    sha256: str
    size: int
    accepted_at: str
    quota_day: str
    quota_used: int
    quota_limit: int | None
    next_slot: str | None
    chain_seq: int
    chain_hash: str
    practice: bool = False


@dataclass(frozen=True)
class AttachmentReceipt:
    """The fields of a receipt for a second file; `competition` is the name of the homework."""

    schema: str
    course: str
    competition: str
    participant: str
    attachment: int
    kind: str
    sha256: str
    size: int
    accepted_at: str
    chain_seq: int
    chain_hash: str


def canonical(values: Mapping[str, Any] | list[Any]) -> str:
    """Canonical JSON, identical for equal values: sorted keys, no spaces, ASCII, no NaN."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)


def microseconds(from_microseconds: datetime) -> int:
    """An aware instant as whole UTC microseconds since 1970."""
    if from_microseconds.tzinfo is None:
        raise ValueError("an instant needs a zone")
    return (from_microseconds - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(microseconds_: int) -> datetime:
    """The inverse of `microseconds`, in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds_)


def rfc3339(moment: datetime) -> str:
    """An instant in UTC with six decimals: 2026-11-20T13:48:20.000000Z."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def signer(seed: bytes) -> Callable[[bytes], bytes]:
    """The signing function of a 32-byte secret seed."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).sign


def public_key(seed: bytes) -> str:
    """The public key of `signer(seed)`, 64 hexadecimal digits."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw().hex()


def write(receipt: Receipt | AttachmentReceipt, sign: Callable[[bytes], bytes]) -> str:
    """The receipt as signed JSON."""
    fields = asdict(receipt)
    if isinstance(receipt, Receipt) and not receipt.practice:
        del fields["practice"]  # keeps such a receipt as in the first version
    return canonical({**fields, "signature": sign(_signed_bytes(fields)).hex()})


def verify(receipt_json: str, public_key: str) -> Receipt:
    """The receipt of a submission, as `verify_any` gives it. Raises UserError E_RECEIPT for anything else."""
    found = verify_any(receipt_json, public_key)
    if not isinstance(found, Receipt):
        raise _bad("it is the receipt of a second file, not of a submission")
    return found


def verify_any(receipt_json: str, public_key: str) -> Receipt | AttachmentReceipt:
    """The receipt, if its signature matches the course's public key.

    Raises UserError E_RECEIPT for anything else. It needs no database; `leaderboard.events.verify` checks that
    the submission or attachment is also in the log.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
    except ValueError:
        raise _bad("the public key is not 64 hexadecimal digits") from None
    try:
        fields = json.loads(receipt_json)
        signature = bytes.fromhex(fields.pop("signature"))
        key.verify(signature, _signed_bytes(fields))
        if fields["schema"] == ATTACHED:
            return AttachmentReceipt(**fields)
        if fields["schema"] != SCHEMA:
            raise _bad(f"it has the schema {fields['schema']!r}, expected {SCHEMA!r}")
        return Receipt(**fields)
    except InvalidSignature:
        raise _bad("its signature does not match this course's key: it was changed or is another course's") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise _bad("it is not an lhy-grade receipt") from None


def _signed_bytes(fields: Mapping[str, Any]) -> bytes:
    return f"{SCHEMA}\n{canonical(fields)}".encode()


def _bad(reason: str) -> UserError:
    return UserError(f"The receipt is not valid: {reason}.", code="E_RECEIPT", exit_code=3)
