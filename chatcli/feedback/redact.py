r"""Finding what is private in text, and putting placeholders in its place.

Found are e-mail addresses, phone numbers, keys, tokens and passwords, paths with a user's name, URLs with
credentials, and numbers of cards, accounts and social security. What has no telling form is not found: names,
street addresses, a password in a sentence. So look at the preview, and review.

Every expression is bounded, or begins where its own characters cannot stand before it, so that a hostile text
costs no more than its length.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from chatcli.errors import UsageError

_MOST_SAMPLES = 50
_AROUND = 24  # characters of context on each side of a sample

_SECRET_NAME = (
    r"(?:api|access|auth|client|private|secret|signing|encryption|account|master|session|refresh|bearer)?"
    r"[ _.-]{0,3}(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|api[ _-]?key|credentials?|key)"
)
_PREFIXED_TOKENS = (
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
    r"(?:npm|gsk|r8|dop_v1|doo_v1|fo1|vercel|figd|lin_api|secret|ntn|pplx|nvapi|tgp_v1|shp(?:at|ca|pa|ss))[_-]\w{20,200}",
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
# Names that stand for anybody, and folders that are nobody's.
_NOBODY = (
    r"(?:user|username|users?|you|your[\w-]{0,20}|yourself|name|me|myuser|someone|somebody|nobody|guest|public|shared|"
    r"default|all users|runner|ubuntu|vagrant|linuxbrew|app|node|jovyan|lost\+found|admin|root|pi)"
)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is looked for.

    Attributes:
        placeholder: what takes its place.
        expression: its group ``secret`` is what is replaced; without one, all of it is.
        real: a further test of what was found.
    """

    placeholder: str
    expression: re.Pattern[str]
    real: Callable[[str], bool] = lambda _found: True


def _digits(text: str) -> list[int]:
    return [int(c) for c in text if c in "0123456789"]


def _is_card(text: str) -> bool:
    """Luhn's check digit (ISO/IEC 7812-1)."""
    digits = _digits(text)
    doubled = sum(sum(divmod(2 * d, 10)) for d in digits[-2::-2])
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and (sum(digits[::-2]) + doubled) % 10 == 0


def _is_iban(text: str) -> bool:
    """The check digits of ISO 13616."""
    plain = re.sub(r"\s", "", text)
    return 15 <= len(plain) <= 34 and int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def _is_phone(text: str) -> bool:
    return 8 <= len(_digits(text)) <= 15


def _is_random(text: str) -> bool:
    """Whether a long word looks drawn at random: letters of both cases and digits, mixed more than in a name."""
    kinds = ["d" if c.isdigit() else "u" if c.isupper() else "l" for c in text if c.isalnum()]
    changes = sum(a != b for a, b in zip(kinds, kinds[1:], strict=False))
    return len(set(kinds)) == 3 and kinds.count("d") >= 3 and changes >= 0.45 * len(kinds)


def _is_value(text: str) -> bool:
    """Whether what is assigned to a name like ``password`` is one, not code, a type or a hint."""
    if re.fullmatch(
        r"(?:[x*.•…_-]{2,}|<.*|\$.*|\{.*|%.*|your.*|my_?.*|the.*|example.*|changeme.*|none|null|nil)",
        text,
        re.I,
    ):
        return False
    if re.search(r"[(\[{<>]|::|->", text) or re.fullmatch(r"[a-z]+(?:[._][a-z_]+)+", text):
        return False
    plain = re.fullmatch(r"[A-Za-z]+", text)
    return not plain and len(text) >= 6


def _kind(
    placeholder: str, expression: str, real: Callable[[str], bool] | None = None, flags: int = 0
) -> _Kind:
    compiled = re.compile(expression, flags)
    return _Kind(placeholder, compiled, real) if real else _Kind(placeholder, compiled)


def _kinds() -> list[_Kind]:
    """Everything that is looked for, in order: what is found first is no longer there for the others."""
    no_word = r"(?<![A-Za-z0-9_])"
    sep = r"[ .\-/]"
    return [
        _kind("<PRIVATE_KEY>", r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\Z)", flags=re.S),
        _kind("<CREDENTIALS>", no_word + r"[A-Za-z][A-Za-z0-9+.-]{1,20}://(?P<secret>[^\s/?#@:'\"<>]{0,128}:[^\s/?#@'\"<>]{1,256})@"),
        _kind("<KEY>", r"[?&](?:[\w.-]{0,30}(?:token|key|sig|signature|secret|password|passwd|pwd|auth|credential)|code|session(?:id)?)=(?P<secret>[^\s&#'\"<>]{6,512})", flags=re.I),
        _kind("<KEY>", r"(?<![A-Za-z0-9_-])(?:" + "|".join(_PREFIXED_TOKENS) + r")(?![A-Za-z0-9])"),
        _kind("<KEY>", r"\b(?:Bearer|Basic|Token)\s+(?P<secret>[A-Za-z0-9+/=._~-]{16,2000})", _has_digit),
        _kind("<KEY>", r"(?<![A-Za-z])" + _SECRET_NAME + r"(?:[\"']?\s{0,3}(?::=|=>|[:=])\s{0,3}|\s+is:?\s+)(?:\"(?P<secret>[^\"\n]{6,256})\"|'(?P<secret2>[^'\n]{6,256})'|(?P<secret3>[^\s\"',;`]{6,256}))", _is_value, re.I),
        _kind("<KEY>", r"(?<=--password[ =])(?P<secret>[^\s'\"]{6,128})|(?<=\s-p)(?P<secret2>(?=[^\s]{0,60}\d)[^\s'\"/:.-]{8,128})", _is_value),
        _kind("<EMAIL>", r"(?<![\w.%+-])(?!git@)[\w%+][\w.%+-]{0,63}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,6}[^\W\d_]{2,24}(?![\w@])"),
        _kind("<EMAIL>", r"(?<![\w.%+-])[\w.%+-]{1,64}\s?[\[({]\s?at\s?[\])}]\s?[\w-]{1,63}(?:\s?(?:[\[({]\s?dot\s?[\])}]|\.)\s?\w{2,63}){1,4}", flags=re.I),
        _kind("<IBAN>", no_word + r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])", _is_iban),
        _kind("<CARD>", r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])", _is_card),
        _kind("<SSN>", r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])"),
        _kind("<PHONE>", r"(?<![\w+])\+\d{1,3}(?:[ .\-/()]{0,3}\d){6,13}(?!\d)", _is_phone),
        _kind("<PHONE>", r"(?<![\w.\-/])00[1-9]\d{0,2}(?:[ .\-/()]{1,2}\d{2,}){2,5}(?![\w-])", _is_phone),
        _kind("<PHONE>", r"(?<![\w.\-/(])(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])[2-9]\d{2}[ .-]\d{4}(?![\w-]|\.\d)"),
        _kind("<PHONE>", r"(?<![\w.\-/])\(?0\d{1,4}\)?" + sep + r"{1,2}\d{3,8}(?:[ -]\d{2,5}){0,3}(?![\w-]|\.\d)", lambda t: 9 <= len(_digits(t)) <= 13),
        _kind("<PHONE>", r"(?<![\w.\-/])0[1-9](?:[ .-]\d{2}){4}(?![\w-])"),
        _kind("<PHONE>", r"\b(?:tele)?(?:phone|fon|tel|mobile?|cell|handy|whatsapp|fax|call|text|ring|dial|sms|nummer|number)\b\W{0,3}(?:me |us |him |her |them |is |at |on |to |no\.? |number |: ){0,3}(?P<secret>\+?\(?\d(?:[ .\-/()]{0,2}\d){6,14})(?![\w-])", flags=re.I),
        _kind("<USER>", r"(?<![\w.])(?:/home/|/Users/|/export/home/|[A-Za-z]:[\\/]{1,2}(?:Users|Documents and Settings)[\\/]{1,2}|/mnt/[a-z]/Users/|/[a-z]/Users/)(?P<secret>(?!" + _NOBODY + r"(?:[/\\\s'\"`:,;)]|\Z))[\w][\w.-]{0,63}(?: [A-Z][\w.-]{0,63}(?=[\\/]))?)", flags=re.I),
        _kind("<KEY>", r"(?<![A-Za-z0-9_+/=.-])[A-Za-z0-9_+/-]{32,512}={0,2}(?![A-Za-z0-9_+/=-])", _is_random),
    ]  # fmt: skip


def _has_digit(text: str) -> bool:
    return any(c.isdigit() for c in text)


@dataclass(slots=True)
class Redactor:
    """Replaces what is private; called with a text, returns it clean.

    Attributes:
        patterns: further expressions, replaced by ``<REDACTED>``.
        names: words that are private here, such as the user's login; replaced by ``<USER>``.
        counts: of what was replaced, by placeholder.
        samples: the first replacements, each with some context: what stood there, and what stands there now.
        texts: how many texts were changed.
    """

    patterns: Iterable[str] = ()
    names: Iterable[str] = ()
    counts: Counter[str] = field(default_factory=Counter)
    samples: list[tuple[str, str]] = field(default_factory=list)
    texts: int = 0
    _kinds: list[_Kind] = field(default_factory=_kinds)

    def __post_init__(self) -> None:
        custom = []
        for pattern in self.patterns:
            try:
                custom.append(_Kind("<REDACTED>", re.compile(pattern)))
            except re.error as error:
                raise UsageError(f"{pattern!r} is no regular expression: {error}") from None
        words = [re.escape(name) for name in self.names if len(name) >= 3]
        if words:
            custom.append(_kind("<USER>", rf"(?<!\w)(?:{'|'.join(words)})(?!\w)", flags=re.I))
        self._kinds = [*custom, *self._kinds]

    def __call__(self, text: str) -> str:
        """The text with placeholders."""
        clean = text
        for kind in self._kinds:
            clean = kind.expression.sub(lambda match, kind=kind: self._replaced(match, kind), clean)
        if clean != text:
            self.texts += 1
        return clean

    def _replaced(self, match: re.Match[str], kind: _Kind) -> str:
        whole = match[0]
        begin, end = next((match.span(group) for group, at in _groups(match) if at >= 0), match.span())
        secret = match.string[begin:end]
        if not secret or not kind.real(secret):
            return whole
        self.counts[kind.placeholder] += 1
        if len(self.samples) < _MOST_SAMPLES:
            before = match.string[max(0, begin - _AROUND) : begin]
            after = match.string[end : end + _AROUND]
            self.samples.append((before + secret + after, before + kind.placeholder + after))
        at = match.start()
        return whole[: begin - at] + kind.placeholder + whole[end - at :]


def _groups(match: re.Match[str]) -> list[tuple[str, int]]:
    return [(name, match.start(name)) for name in match.re.groupindex]
