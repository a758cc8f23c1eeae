"""The regular expressions of private data.

Every expression is bounded, or begins where its own characters cannot stand before it, so that a hostile text
costs time in proportion to its length. A group named ``secret`` (or ``secret2``, ``secret3``) is replaced;
without one, the whole match is.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class SecretKind:
    """A kind of private data.

    Attributes:
        placeholder: the text that replaces it.
        expression: the regular expression that finds it.
        real: a further test of a match, or None.
    """

    placeholder: str
    expression: re.Pattern[str]
    real: Callable[[str], bool] | None = None


def kind(
    placeholder: str, expression: str, real: Callable[[str], bool] | None = None, flags: int = 0
) -> SecretKind:
    """A kind with its compiled expression."""
    return SecretKind(placeholder, re.compile(expression, flags), real)


def kinds() -> list[SecretKind]:
    """All kinds, in order: a match of an earlier kind is hidden from the later ones."""
    return [*_keys(), *_addresses(), *_numbers(), *_folders(), kind("<KEY>", _LONG_WORD, _is_random)]


# Tokens with a typical form.
_TOKENS = (
    r"sk-(?:ant-|proj-|or-v1-|svcacct-)?[\w-]{16,200}",
    r"gh[pousr]_[A-Za-z0-9]{20,255}",
    r"github_pat_\w{20,255}",
    r"gl(?:pat|ptt|dt|rt|cbt)-[\w-]{16,100}",
    r"xox[abeoprs]-[A-Za-z0-9-]{10,250}",
    r"xapp-\d-[A-Za-z0-9-]{10,250}",
    r"(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ABIA|ACCA)[A-Z0-9]{16}",
    r"AIza[\w-]{30,45}",
    r"ya29\.[\w-]{20,300}",
    r"GOCSPX-[\w-]{20,60}",
    r"hf_[A-Za-z0-9]{20,100}",
    r"(?:npm|gsk|r8|dop_v1|doo_v1|fo1|vercel|figd|lin_api|secret|ntn|pplx|nvapi|tgp_v1|shp(?:at|ca|pa|ss))"
    r"[_-]\w{20,200}",
    r"pypi-[\w-]{30,300}",
    r"SG\.[\w-]{15,30}\.[\w-]{30,60}",
    r"(?:sk|rk|pk|whsec)_(?:live_|test_)?[A-Za-z0-9]{16,250}",
    r"(?:AC|SK|key-)[0-9a-f]{32}",
    r"dckr_(?:pat|oat)_[\w-]{20,100}",
    r"sq0[a-z]{3}-[\w-]{20,60}",
    r"eyJ[\w-]{8,2000}\.eyJ[\w-]{8,4000}\.[\w-]{8,2000}",
    r"\d{8,10}:AA[\w-]{32,36}",
    r"[MNO][A-Za-z\d_-]{23,27}\.[\w-]{6}\.[\w-]{27,45}",
    r"AGE-SECRET-KEY-1[A-Z0-9]{40,80}",
    r"(?:hooks\.slack\.com/services|discord(?:app)?\.com/api/webhooks)/[\w/-]{20,200}",
)
# Names of secrets in assignments and sentences.
_NAME = (
    r"(?:(?:api|access|auth|client|private|secret|signing|encryption|account|master|session|refresh|aws|db)"
    r"[ _.-]?){0,3}"
    r"(?:pass(?:word|wd|phrase|code)?|passwort|pwd|pw|secret|token|api[ _-]?key|credentials?|key)"
)
_IS = r"(?:[\"']?\s{0,3}(?::=|=>|=|:)\s{0,3}|\s{1,3}is:?\s{1,3})"
_VALUE = r"(?:\"(?P<secret>[^\"\n]{6,256})\"|'(?P<secret2>[^'\n]{6,256})'|`?(?P<secret3>[^\s\"',;`]{6,256}))"
# Placeholder names, and folders that belong to no person.
_NOBODY = (
    r"(?:user(?:s|name)?|you|your[\w-]{0,20}|yourself|name|me|myuser|someone|somebody|nobody|guest|public|"
    r"shared|default|all users|runner|ubuntu|vagrant|linuxbrew|app|node|jovyan|lost\+found|admin|root|pi)"
)
_NO_WORD = r"(?<![A-Za-z0-9_])"
_LONG_WORD = r"(?<![A-Za-z0-9_+/.-])[A-Za-z0-9_+/-]{32,512}={0,2}(?![A-Za-z0-9_+/=-])"


def _keys() -> list[SecretKind]:
    """Keys, tokens, passwords, and URLs that carry them."""
    block = r"[A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    login = r"[^\s/?#@:'\"<>]{0,128}:[^\s/?#@'\"<>]{1,256}"
    parameter = (
        r"(?:[\w.-]{0,30}(?:token|key|sig|signature|secret|password|passwd|pwd|auth|credential)"
        r"|code|session(?:id)?)"
    )
    return [
        kind("<PRIVATE_KEY>", rf"-----BEGIN {block}.*?(?:-----END {block}|\Z)", flags=re.S),
        kind("<CREDENTIALS>", _NO_WORD + rf"[A-Za-z][A-Za-z0-9+.-]{{1,20}}://(?P<secret>{login})@"),
        kind("<KEY>", rf"[?&]{parameter}=(?P<secret>[^\s&#'\"<>]{{6,512}})", flags=re.I),
        kind("<KEY>", r"(?<![A-Za-z0-9_-])(?:" + "|".join(_TOKENS) + r")(?![A-Za-z0-9])"),
        kind("<KEY>", r"\b(?:Bearer|Basic|Token)\s{1,3}(?P<secret>[A-Za-z0-9+/=._~-]{16,2000})", _has_digit),
        kind("<KEY>", r"(?<![A-Za-z])" + _NAME + _IS + _VALUE, _is_value, re.I),
        kind("<KEY>", r"(?<=--password[ =])(?P<secret>[^\s'\"]{6,128})", _is_value),
    ]


def _addresses() -> list[SecretKind]:
    """E-mail addresses, also with the signs spelled out."""
    host = r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,6}[^\W\d_]{2,24}"
    at, dot = r"\s?[\[({]\s?at\s?[\])}]\s?", r"(?:\s?[\[({]\s?dot\s?[\])}]\s?|\.)"
    return [
        kind("<EMAIL>", rf"(?<![\w.%+-])(?!git@)[\w%+][\w.%+-]{{0,63}}@{host}(?![\w@])"),
        kind(
            "<EMAIL>",
            rf"(?<![\w.%+-])[\w.%+-]{{1,64}}{at}[\w-]{{1,63}}(?:{dot}\w{{2,63}}){{1,4}}",
            flags=re.I,
        ),
    ]


def _numbers() -> list[SecretKind]:
    """Numbers of accounts, cards, social security and telephones."""
    called = (
        r"\b(?:tele)?(?:phone|fon|tel|mobile?|cell|handy|whatsapp|fax|call|text|ring|dial|sms|nummer|number)\b"
        r"\W{0,3}(?:(?:me|us|him|her|them|is|at|on|to|no|number)\b\W{1,2}){0,3}"
    )
    return [
        kind(
            "<IBAN>",
            _NO_WORD + r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)",
            _is_iban,
        ),
        kind("<CARD>", r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])", _is_card),
        kind("<SSN>", r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])"),
        # international, with + or 00
        kind("<PHONE>", r"(?<![\w+])\+\d{1,3}(?:[ .\-/()]{0,3}\d){6,13}(?!\d)", _digits_between(8, 15)),
        kind(
            "<PHONE>",
            r"(?<![\w.\-/])00[1-9]\d{0,2}(?:[ .\-/()]{1,2}\d{2,}){2,5}(?![\w-])",
            _digits_between(8, 15),
        ),
        # North America
        kind(
            "<PHONE>",
            r"(?<![\w.\-/(])(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])\d{3}[ .-]\d{4}(?![\w-]|\.\d)",
        ),
        # with a trunk prefix of 0, as in most of Europe
        kind(
            "<PHONE>",
            r"(?<![\w.\-/])\(?0\d{1,4}\)?[ .\-/]{1,3}\d{3,8}(?:[ -]\d{2,5}){0,3}(?![\w-]|\.\d)",
            _digits_between(9, 13),
        ),
        kind("<PHONE>", r"(?<![\w.\-/])0[1-9](?:(?:[ .-]\d{2}){4}|\d{8,11})(?![\w-]|\.\d)"),
        # anything that is called a number to call
        kind("<PHONE>", called + r"(?P<secret>\+?\(?\d(?:[ .\-/()]{0,2}\d){6,14})(?![\w-])", flags=re.I),
    ]


def _folders() -> list[SecretKind]:
    """Names of users in paths."""
    homes = (
        r"(?:(?:/var|/export)?/home/|/Users/|[A-Za-z]:[\\/]{1,2}(?:Users|Documents and Settings)[\\/]{1,2}|"
        r"/mnt/[a-z]/Users/|/[a-z]/Users/)"
    )
    name = r"(?!" + _NOBODY + r"(?:[/\\\s'\"`:,;)]|\Z))\w[\w.-]{0,63}(?: [A-Z][\w.-]{0,63}(?=[\\/]))?"
    return [kind("<USER>", rf"(?<![\w.]){homes}(?P<secret>{name})", flags=re.I)]


def _digits(text: str) -> list[int]:
    return [int(c) for c in text if c in "0123456789"]


def _digits_between(least: int, most: int) -> Callable[[str], bool]:
    return lambda text: least <= len(_digits(text)) <= most


def _has_digit(text: str) -> bool:
    return any(c.isdigit() for c in text)


def _is_card(text: str) -> bool:
    """Luhn's check digit (ISO/IEC 7812-1)."""
    digits = _digits(text)
    doubled = sum(sum(divmod(2 * d, 10)) for d in digits[-2::-2])
    return len(set(digits)) > 1 and (sum(digits[::-2]) + doubled) % 10 == 0


def _is_iban(text: str) -> bool:
    """The check digits of ISO 13616."""
    plain = re.sub(r"\s", "", text)
    digits = "".join(str(int(c, 36)) for c in plain[4:] + plain[:4])
    return 15 <= len(plain) <= 34 and int(digits) % 97 == 1


def _is_random(text: str) -> bool:
    """Whether a long word looks drawn at random: cases and digits change more often than in a name."""
    classes = ["d" if c.isdigit() else "u" if c.isupper() else "l" for c in text if c.isalnum()]
    changes = sum(a != b for a, b in pairwise(classes))
    return len(set(classes)) == 3 and classes.count("d") >= 3 and changes >= 0.45 * len(classes)


_HINT = re.compile(
    r"[x*.•…_-]{2,}|<.*|\$.*|\{.*|%.*|your.*|my_?.*|the.*|example.*|changeme.*|none|null|nil|undefined",
    re.IGNORECASE,
)
_CODE = re.compile(r"[(\[{<>]|::|->")
_ATTRIBUTE = re.compile(r"[A-Za-z_]+(?:[._][A-Za-z_]+)+")


def _is_value(text: str) -> bool:
    """Whether what is assigned to a name like ``password`` is one, and not code, a hint or a common word."""
    text = text.rstrip(".!?")
    if len(text) < 6 or _HINT.fullmatch(text) or _CODE.search(text) or _ATTRIBUTE.fullmatch(text):
        return False
    return not text.isalpha() and not (" " in text and text.replace(" ", "").isalpha())
