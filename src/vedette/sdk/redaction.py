"""Secrets and personal data are taken out before anything leaves the process.

Two rules: by key (`password`, `authorization`, `card_number` …: the value is replaced whole), and by pattern inside
strings (bearer tokens, JWTs, cloud keys, credentials in URLs, payment card numbers, `password=…`). It runs on the
export thread, so the program does not wait for it; verdicts on keys and on strings seen before are remembered.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MASK", "Redactor"]

MASK = "[redacted]"

_KEY_WORDS = (
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "secret_key",
    "token",
    "api_key",
    "apikey",
    "access_key",
    "private_key",
    "authorization",
    "proxy_authorization",
    "auth_token",
    "cookie",
    "set_cookie",
    "credential",
    "credentials",
    "session_key",
    "csrf",
    "csrftoken",
    "card_number",
    "credit_card",
    "cvv",
    "cvc",
    "ssn",
    "iban",
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ASSIGNED = (
    r"(?i:\b(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key)\b[\"']?\s?[=:]\s?[\"']?)"
    r"(?P<assigned>[^\s\"',;&)}\]]{3,})"
)
_PATTERNS = (
    r"eyJ[A-Za-z0-9_-]{6,}\.eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*",  # JSON web token
    r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",  # AWS access key id
    r"\bAIza[A-Za-z0-9_-]{35}",  # Google API key
    r"\b(?:ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{36,}",  # GitHub token
    r"\bgithub_pat_[A-Za-z0-9_]{22,}",
    r"\bglpat-[A-Za-z0-9_-]{20,}",  # GitLab token
    r"\bxox[abposr]-[A-Za-z0-9-]{10,}",  # Slack token
    r"\bsk-[A-Za-z0-9_-]{20,}",  # keys of model providers
    r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}",  # Stripe key
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
    r"(?i:(?<=bearer )|(?<=basic ))[A-Za-z0-9._~+/=-]{8,}",
    r"(?<=://)[^/\s:@]{0,256}:[^/\s@]{1,256}(?=@)",  # user:password@ in a URL
    _ASSIGNED,
)
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w.-])")
_SHORTEST = 9
_SHORTEST_CARD = 13
_REMEMBERED = 4096
_REMEMBERED_CHARS = 256


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (1 + place % 2)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


def _mask_card(match: re.Match[str]) -> str:
    digits = re.sub(r"[ -]", "", match.group())
    return MASK if _luhn(digits) else match.group()


def _mask(match: re.Match[str]) -> str:
    assigned = match.groupdict().get("assigned")
    return MASK if assigned is None else match.group()[: -len(assigned)] + MASK


def _harmless(body: bytes) -> bool:
    """Whether UTF-8 text is made of words and few digits without any sign of a secret: none of the patterns can match.

    Bytes are looked through at a fifth of the cost of text.
    """
    words = body.translate(None, b"0123456789")
    if len(body) - len(words) >= _SHORTEST_CARD:
        return False
    letters = words.translate(None, b"/., ")
    if not letters.isalpha():
        return False
    if not letters.islower():
        if (
            b"eyJ" in words
            or b"AKI" in words
            or b"AIz" in words
            or b"SIA" in words
            or b"BIA" in words
            or b"CCA" in words
        ):
            return False
        words = words.lower()
    return b" " not in words or (b"bearer " not in words and b"basic " not in words)


def _suspicious(text: str) -> bool:
    """Whether one of the patterns can match at all: a search for words costs a tenth of one for patterns."""
    if (
        "eyJ" in text
        or "AKIA" in text
        or "ASIA" in text
        or "ABIA" in text
        or "ACCA" in text
        or "AIza" in text
        or "gh" in text
        or "github_pat_" in text
        or "glpat-" in text
        or "xox" in text
        or "sk" in text
        or "rk_" in text
        or "PRIVATE KEY" in text
    ):
        return True
    folded = text.casefold()
    if "bearer " in folded or "basic " in folded:
        return True
    if "=" not in text and ":" not in text:
        return False
    if "@" in text and "://" in text:
        return True
    return "passw" in folded or "pwd" in folded or "secret" in folded or "token" in folded or "key" in folded


class Redactor:
    """Masks values by key and by pattern.

    `keys` are further words that mark a key as secret (`patient_id` also marks `http.patient-id` and `patientId`);
    `patterns` are further regular expressions, whose whole match is masked. `enabled=False` passes everything.
    """

    def __init__(self, keys: Iterable[str] = (), patterns: Iterable[str] = (), *, enabled: bool = True) -> None:
        self.enabled = enabled
        words = [re.escape(word.lower().replace("-", "_")) for word in (*_KEY_WORDS, *keys)]
        self._key = re.compile(r"(?:^|[._])(?:" + "|".join(words) + r")$")
        self._patterns = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS))
        self._own = [re.compile(pattern) for pattern in patterns]
        self._key_verdicts: dict[str, bool] = {}
        self._clean: set[str] = set()

    def secret_key(self, key: str) -> bool:
        """Whether the value under `key` must not be shown."""
        verdict = self._key_verdicts.get(key)
        if verdict is None:
            name = _CAMEL.sub("_", key).lower().replace("-", "_").replace(" ", "_")
            verdict = self.enabled and self._key.search(name) is not None
            if len(self._key_verdicts) >= _REMEMBERED:
                self._key_verdicts.clear()
            self._key_verdicts[key] = verdict
        return verdict

    def text(self, text: str) -> str:
        """`text` with secrets masked."""
        if len(text) < _SHORTEST or text in self._clean or not self.enabled:
            return text
        body = text.encode("utf-8", "replace")
        plain = not self._own
        if plain and body.isalnum() and body.islower():
            return text  # one word without capitals: ids that never come again, and none of the patterns
        masked = text if plain and _harmless(body) else self._search(text)
        if masked is text and len(text) <= _REMEMBERED_CHARS:
            if len(self._clean) >= _REMEMBERED:
                self._clean.clear()
            self._clean.add(text)
        return masked

    def value(self, key: str, value: Any) -> Any:
        """What may be shown of `value` under `key`: masked whole, masked inside, or itself."""
        if self.secret_key(key):
            return MASK
        return self._inside(value)

    def _inside(self, value: Any) -> Any:
        kind = type(value)
        if kind is str:
            return self.text(value)
        if kind is dict:
            return {key: self.value(str(key), item) for key, item in value.items()}
        if kind is tuple or kind is list:
            return tuple([self._inside(item) for item in value])
        return value

    def _search(self, text: str) -> str:
        found = text
        if _suspicious(text):
            found = self._patterns.sub(_mask, found)
        if len(found) >= _SHORTEST_CARD and _CARD.search(found) is not None:
            found = _CARD.sub(_mask_card, found)
        for pattern in self._own:
            found = pattern.sub(MASK, found)
        return text if found == text else found
