"""What must not be written down: secrets in texts, addresses and options, told by the name that they go by or by their own shape.

A value is replaced by `<redacted>`; the name stays, so that a reader sees what there was, and whoever needs the value again can ask for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from starwhale.errors import UsageError

REDACTED = "<redacted>"
"""Stands where a secret stood."""

_ALWAYS = frozenset(
    [
        "apikey",
        "passwd",
        "password",
        "passwords",
        "passphrase",
        "pwd",
        "secret",
        "secrets",
        "credential",
        "credentials",
        "bearer",
        "authorization",
    ]
)
"""Words that make a name secret wherever they stand in it."""
_LAST = frozenset({"auth", "pat", "cookie", "token", "key"})
"""Words that make a name secret at its end, unless the word before says otherwise."""
_PLAIN_TOKENS = frozenset(
    [
        "pad",
        "eos",
        "bos",
        "unk",
        "mask",
        "sep",
        "cls",
        "stop",
        "end",
        "start",
        "special",
        "per",
        "image",
        "begin",
        "next",
        "first",
        "last",
        "max",
        "min",
        "num",
        "n",
        "new",
    ]
)
"""`eos_token`, `max_token`: pieces of text, no secrets."""
_PLAIN_KEYS = frozenset(
    [
        "sort",
        "primary",
        "foreign",
        "row",
        "label",
        "field",
        "column",
        "dict",
        "index",
        "group",
        "join",
        "cache",
        "map",
        "public",
        "partition",
        "feature",
        "input",
        "output",
        "data",
        "image",
        "text",
        "target",
        "answer",
        "prediction",
    ]
)
"""`label_key`, `sort_key`: names of columns, no secrets."""
_IN_QUERIES = frozenset({"sig", "signature", "key", "accesskeyid", "awsaccesskeyid", "code", "sas"})
"""Parameters of addresses that are secret besides."""
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_USERINFO = re.compile(r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]*)://(?P<user>[^\s/@?#'\"]*(?:@[^\s/@?#'\"]*)*)@")
_QUERY = re.compile(r"(?P<before>[?&#;])(?P<name>[A-Za-z0-9_.%\[\]-]+)=(?P<value>[^&#;\s'\"]+)")
_PAIR = re.compile(
    r"(?P<name>(?<![A-Za-z0-9_?&#;.-])[A-Za-z][A-Za-z0-9_-]*)(?P<between>['\"]?\s*[=:]\s*['\"]?)(?P<value>[^\s'\",;&}\)<]+)"
)
_VARIABLE = re.compile(r"(?i)(authorization:\s*)?((bearer|basic|token)\s+)?\$(\w+|\{[^}]*\}|\([^)]*\))")
_HEADER = re.compile(r"(?i)\b(?P<kind>bearer|basic)\s+(?P<value>[A-Za-z0-9._~+/=-]{6,})")
_SHAPES = re.compile(
    r"\b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{20,}"
    r"|sk-[A-Za-z0-9_-]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{30,}"
    r"|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{40,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)"
    r"|-----BEGIN[A-Z ]*PRIVATE KEY-----(?:.*?-----END[A-Z ]*PRIVATE KEY-----|.*)",
    re.DOTALL,
)
"""Tokens of well-known services, JSON web tokens and private keys."""


def is_secret_name(name: str) -> bool:
    """Whether what goes by a name is a secret: an option, a variable, a key of a mapping.

    Example:
        >>> [
        ...     name
        ...     for name in ("api_key", "HF_TOKEN", "dbPassword", "max-tokens", "eos_token", "sort_key")
        ...     if is_secret_name(name)
        ... ]
        ['api_key', 'HF_TOKEN', 'dbPassword']
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words:
        return False
    if _ALWAYS.intersection(words):
        return True
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last == "key":
        return bool(before) and before not in _PLAIN_KEYS
    if last == "token":
        return before not in _PLAIN_TOKENS
    return last in _LAST or (words[-2:] == ["key", "id"] and len(words) > 2)


def redact_text(text: str) -> str:
    """Replace what is secret in a text: user names and secret parameters of addresses, `name=value`, headers, and well-known tokens.

    Example:
        >>> redact_text("https://me:pw@host/x?token=1&page=2")
        'https://<redacted>@host/x?token=<redacted>&page=2'
    """
    text = _SHAPES.sub(REDACTED, text)
    text = _USERINFO.sub(_without_user, text)
    text = redact_parameters(text)
    text = _HEADER.sub(lambda found: f"{found['kind']} {REDACTED}", text)
    return _PAIR.sub(_without_value, text)


def redact_words(words: Sequence[str]) -> tuple[str, ...]:
    """Replace what is secret in the words of a command line: values of options whose name says so, and what `redact_text` finds.

    Example:
        >>> redact_words(["--api-key", "abc", "--token=xyz", "--rows", "3"])
        ('--api-key', '<redacted>', '--token=<redacted>', '--rows', '3')
    """
    redacted: list[str] = []
    hides = False
    for word in words:
        option, equals, _ = word.partition("=")
        is_option = option.startswith("-") and len(option) > 1 and not _is_number(option)
        if hides and not (is_option and option.startswith("--")):
            redacted.append(REDACTED)
            hides = False
            continue
        is_secret = is_option and is_secret_name(option)
        hides = is_secret and not equals
        redacted.append(f"{option}={REDACTED}" if is_secret and equals else redact_text(word))
    return tuple(redacted)


def redact_json(value: Any, name: str = "") -> Any:  # Any: a JSON value
    """Replace what is secret in a JSON value: whatever a secret name leads to, and what `redact_text` finds in its texts."""
    if isinstance(value, Mapping):
        return {str(key): redact_json(each, str(key)) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [redact_json(each, name) for each in value]
    if name and value not in (None, "", False, True) and is_secret_name(name):
        return REDACTED
    return redact_text(value) if isinstance(value, str) else value


def redacted_options(words: Sequence[str]) -> list[str]:
    """Return the options whose values were replaced, by the names that they were typed with."""
    found: list[str] = []
    for place, word in enumerate(words):
        if REDACTED in word:
            option, equals, _ = word.partition("=")
            found.append(option if equals and option.startswith("-") else words[place - 1] if place else word)
    return list(dict.fromkeys(found))


def fill_in(words: Sequence[str], given: Sequence[str], variables: Mapping[str, str]) -> tuple[str, ...]:
    """Put values back where they were replaced: what the caller gives again, else the declared variable that has the option's name.

    Args:
        words: Options as they were kept.
        given: The same options with their values, `--api-key VALUE` or `--api-key=VALUE`; only those that were replaced.
        variables: Declared environment variables that are set; `API_KEY` stands for `--api-key`.

    Raises:
        UsageError: A value is missing, or an option was given that was not replaced.
    """
    missing = redacted_options(words)
    values = _pairs(given)
    known = {_plain(option): option for option in missing}
    for option in values:
        if option not in known:
            message = f"--{option.replace('_', '-')} is no option whose value was left out of the record"
            hint = f"give only {', '.join(missing)}" if missing else "leave it out: the job keeps its arguments"
            raise UsageError(message, hint=hint)
    filled: list[str] = []
    for place, word in enumerate(words):
        if REDACTED not in word:
            filled.append(word)
            continue
        option, equals, _ = word.partition("=")
        is_joined = bool(equals) and option.startswith("-")
        name = _plain(option if is_joined else words[place - 1] if place else word)
        value = values.get(name, variables.get(name.upper()))
        if value is None:
            raise _left_out(f"--{name.replace('_', '-')}", name.upper())
        filled.append(f"{option}={value}" if is_joined else value)
    return tuple(filled)


def _left_out(option: str, variable: str) -> UsageError:
    message = f"the value of {option} is a secret, which no record keeps"
    hint = f"give it again, behind --: {option} VALUE; or let a handler declare the variable {variable} (env=[{variable!r}]) and set it"
    return UsageError(message, hint=hint)


def _pairs(words: Sequence[str]) -> dict[str, str]:
    """Read options with one value each."""
    found: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if not option.startswith("--"):
            message = f"{word!r} is no option"
            raise UsageError(message, hint="write --name VALUE")
        if not equals and (value := next(rest, "")) == "":
            message = f"option {option} needs a value"
            raise UsageError(message, hint=f"write {option} VALUE")
        found[_plain(option)] = value
    return found


def _plain(option: str) -> str:
    return option.lstrip("-").replace("-", "_")


def _is_number(word: str) -> bool:
    return bool(re.fullmatch(r"-\d+(\.\d*)?(e-?\d+)?", word))


def _without_user(found: re.Match[str]) -> str:
    user, colon, _ = found["user"].partition(":")
    if not colon and found["scheme"].lower() in {"ssh", "git+ssh", "sftp"}:
        return found[0]  # ssh://git@host: a login name, no secret
    return f"{found['scheme']}://{REDACTED}@" if user or colon else found[0]


def redact_parameters(text: str) -> str:
    """Replace the secret parameters of addresses in a text, and nothing else.

    Example:
        >>> redact_parameters("https://host/simple?token=1&page=2")
        'https://host/simple?token=<redacted>&page=2'
    """
    return _QUERY.sub(_without_parameter, text)


def holds_secret(text: str) -> bool:
    """Whether a text has something that may not be written down; what the shell takes from a variable is no secret.

    Example:
        >>> [
        ...     holds_secret(each)
        ...     for each in ("curl https://host/?token=1", 'curl -H "Authorization: Bearer $TOKEN" https://host')
        ... ]
        [True, False]
    """
    bare = _VARIABLE.sub("", text)
    return redact_text(bare) != bare


def _without_parameter(found: re.Match[str]) -> str:
    words = [word.lower() for word in _WORDS.findall(found["name"])]
    is_secret = is_secret_name(found["name"]) or (
        bool(words) and (words[-1] in _IN_QUERIES or "".join(words) in _IN_QUERIES)
    )
    return f"{found['before']}{found['name']}={REDACTED}" if is_secret else found[0]


def _without_value(found: re.Match[str]) -> str:
    is_secret = is_secret_name(found["name"]) and not found["value"].startswith("//")
    return f"{found['name']}{found['between']}{REDACTED}" if is_secret else found[0]


__all__ = [
    "REDACTED",
    "fill_in",
    "holds_secret",
    "is_secret_name",
    "redact_json",
    "redact_parameters",
    "redact_text",
    "redact_words",
    "redacted_options",
]
