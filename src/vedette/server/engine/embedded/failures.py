"""Exceptions as ClickHouse's HTTP interface words them."""

from __future__ import annotations

import re

__all__ = ["Failure", "http_status", "parse_failure"]

_PATTERN = re.compile(r"Code: (?P<code>\d+)\. DB::\w*Exception: ")
_NAME = re.compile(r"\((?P<name>[A-Z][A-Z0-9_]+)\)(?: \(version [^)]*\))?\.?\s*$")
# chDB wraps some exceptions in another one with the same code.
_NESTED = re.compile(
    r"Code: \d+\. DB::\w*Exception: (?P<message>.*?)(?: \([A-Z0-9_]+\)(?: \(version [^)]*\))?\.?)?", re.DOTALL
)

_BAD_REQUEST = """
    BAD_ARGUMENTS CANNOT_COMPILE_REGEXP CANNOT_PARSE_TEXT CANNOT_PARSE_ESCAPE_SEQUENCE CANNOT_PARSE_QUOTED_STRING
    CANNOT_PARSE_DATE CANNOT_PARSE_DATETIME CANNOT_PARSE_NUMBER CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING CANNOT_PARSE_IPV4
    CANNOT_PARSE_IPV6 CANNOT_PARSE_INPUT_ASSERTION_FAILED CANNOT_PARSE_UUID DUPLICATE_COLUMN ILLEGAL_COLUMN
    UNKNOWN_ELEMENT_IN_AST UNKNOWN_TYPE_OF_AST_NODE THERE_IS_NO_COLUMN TOO_DEEP_AST TOO_BIG_AST
    UNEXPECTED_AST_STRUCTURE SYNTAX_ERROR INCORRECT_DATA TYPE_MISMATCH VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
    BAD_REQUEST_PARAMETER
"""
_NOT_FOUND = """
    UNKNOWN_TABLE UNKNOWN_FUNCTION UNKNOWN_IDENTIFIER UNKNOWN_TYPE UNKNOWN_STORAGE UNKNOWN_DATABASE UNKNOWN_SETTING
    UNKNOWN_DIRECTION_OF_SORTING UNKNOWN_AGGREGATE_FUNCTION UNKNOWN_FORMAT UNKNOWN_DATABASE_ENGINE
    UNKNOWN_TYPE_OF_QUERY UNKNOWN_ROLE
"""
# ClickHouse's own table: src/Server/HTTP/exceptionCodeToHTTPStatus.cpp. Everything else is 500.
_STATUS = {
    **dict.fromkeys(_BAD_REQUEST.split(), 400),
    "REQUIRED_PASSWORD": 401,
    **dict.fromkeys(
        ["UNKNOWN_USER", "WRONG_PASSWORD", "AUTHENTICATION_FAILED", "SET_NON_GRANTED_ROLE", "ACCESS_DENIED"], 403
    ),
    **dict.fromkeys(_NOT_FOUND.split(), 404),
    "TIMEOUT_EXCEEDED": 408,
    "QUERY_IS_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "NOT_IMPLEMENTED": 501,
    **dict.fromkeys(["SOCKET_TIMEOUT", "CANNOT_OPEN_FILE", "CANNOT_SCHEDULE_TASK"], 503),
}


class Failure(Exception):
    """An exception of the engine, or one of ours in the same words.

    `code` and `name` are ClickHouse's (src/Common/ErrorCodes.cpp); `message` says what is wrong.
    """

    def __init__(self, code: int, name: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.name = name
        self.message = message

    def text(self, version: str) -> str:
        """The body of the response."""
        return f"Code: {self.code}. DB::Exception: {self.message} ({self.name}) (version {version} (embedded))\n"


def parse_failure(text: str) -> Failure:
    """The engine's exception from the text that chDB raises."""
    match = _PATTERN.search(text)
    if match is None:
        return Failure(1002, "UNKNOWN_EXCEPTION", text.strip() or "The engine gave no reason")
    name = _NAME.search(text)
    message = text[match.start() : name.start() if name else len(text)].strip()
    while nested := _NESTED.fullmatch(message):
        message = nested["message"].strip()
    return Failure(int(match["code"]), name["name"] if name else "UNKNOWN_EXCEPTION", message)


def http_status(failure: Failure) -> int:
    """The HTTP status with which ClickHouse answers an exception."""
    return _STATUS.get(failure.name, 500)
