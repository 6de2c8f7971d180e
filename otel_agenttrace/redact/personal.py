"""Detect personal data, where the user asks for it: addresses, phone numbers, cards, accounts. Text in, findings out."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from otel_agenttrace.redact.findings import Detector, Finding

__all__ = ["personal_detector"]

_START: Final = r"(?:(?<![\w.+-])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))"
_EMAIL: Final = re.compile(
    _START
    + r"(?!\d+@)[A-Za-z0-9_](?:[A-Za-z0-9._+'-]{0,62}[A-Za-z0-9_+-])?(?:@|%40|\\u0040)(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}\b"
)
_PHONE: Final = re.compile(
    r"(?<![\w.+/-])(?:\+\d{1,3}[ .-]?(?:\(0?\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}[.-]\d{3}[.-]\d{4}"
    r"|0\d{2,4}[ /-]\d{3,4}[ -]?\d{3,5})(?![\w-]|\.\d)"
)
_CARD: Final = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-]|\.\d)")
_SSN: Final = re.compile(r"(?<![\w.-])(?!000|666|9\d\d)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}(?![\w-])")
_IBAN: Final = re.compile(
    r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?![A-Za-z0-9])"
)
_IP: Final = re.compile(
    r"(?<![\w.:-])(?:\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\d)|(?=[0-9A-Fa-f]*:)[0-9A-Fa-f:]{4,39}(?:\d{1,3}(?:\.\d{1,3}){3})?(?![\w:]))"
)
_ARN: Final = re.compile(
    r"(?:(?<![\w:])|(?<=\\[nrt]))arn:aws[a-z-]*:[a-z0-9-]*:[a-z0-9-]*:\d{12}:[\w+=,.@/:*-]*[\w+=/*-]"
)


def _is_card(written: str) -> bool:
    """Whether digits are the number of a card: its length, its network, and Luhn's sum."""
    digits = [int(digit) for digit in written if digit.isdigit()]
    if not 13 <= len(digits) <= 19 or digits[0] not in (2, 3, 4, 5, 6) or len(set(digits)) < 2:
        return False
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_iban(written: str) -> bool:
    """Whether the check digits of an account number are right: its remainder by 97 is 1."""
    account = written.replace(" ", "")
    if not 15 <= len(account) <= 34:
        return False
    return int("".join(str(int(sign, 36)) for sign in account[4:] + account[:4])) % 97 == 1


def _is_address(written: str) -> bool:
    """Whether this is an address of a network that is one's own: no loopback, no mask, no documentation."""
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or address.is_multicast or written.startswith("255."))


def _is_phone(written: str) -> bool:
    return 9 <= sum(sign.isdigit() for sign in written) <= 15


def _always(_: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind: a string without which there is none, an expression, and what else has to hold."""

    literal: str
    pattern: re.Pattern[str]
    is_one: Callable[[str], bool]


_KINDS: Final[Mapping[str, _Kind]] = {
    "arn": _Kind("arn:aws", _ARN, _always),
    "card": _Kind("", _CARD, _is_card),
    "email": _Kind("", _EMAIL, _always),
    "iban": _Kind("", _IBAN, _is_iban),
    "ip": _Kind("", _IP, _is_address),
    "phone": _Kind("", _PHONE, _is_phone),
    "ssn": _Kind("", _SSN, _always),
}


def personal_detector(kinds: Sequence[str]) -> Detector:
    """Return the detector of these kinds of personal data."""
    wanted = [(kind, _KINDS[kind]) for kind in sorted(kinds)]

    def detect(text: str) -> list[Finding]:
        return [
            Finding.of(text, *found.span(), kind)
            for kind, told in wanted
            if told.literal in text
            for found in told.pattern.finditer(text)
            if told.is_one(found[0])
        ]

    return detect
