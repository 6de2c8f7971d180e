"""Detect tokens that tell what they are by their beginning, the vendors' formats of 2026. Scanned text in, findings out."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping
from typing import Final

from otel_agenttrace.redact.findings import Finding
from otel_agenttrace.redact.scanned import GLUED, PARTED, Scanned
from otel_agenttrace.redact.standins import is_random, is_stand_in

__all__ = ["token_findings"]

_W: Final = "[A-Za-z0-9_-]"
_A: Final = "[A-Za-z0-9]"
_H: Final = "[0-9a-f]"
_B: Final = r"(?:[A-Za-z0-9+/_-]|\\+/|%2[BbFf])"
"""Base64, its slashes and pluses escaped by JSON or a URL, or not."""

_P: Final = r"(?:=|%3[Dd]|\\+u003[dD]){0,2}"

# Beginning, what follows. The beginning is looked for where no letter or digit stands before it.
_FORMATS: Final[tuple[tuple[str, str], ...]] = (
    # models and their tools
    ("sk-(?:proj|svcacct|service|admin|None)-", f"{_W}{{20,}}"),  # OpenAI
    ("sk-ant-", f"{_W}{{20,}}"),  # Anthropic: api03, admin01, oat01, sid01, usr01
    ("sk-or-v1-", f"{_H}{{32,}}"),  # OpenRouter
    ("sk-lf-", f"{_W}{{20,}}"),  # Langfuse
    ("sk-", f"{_A}{{20,}}"),  # OpenAI before projects, DeepSeek, Moonshot, LiteLLM
    ("sk_", f"{_H}{{40,}}"),  # ElevenLabs
    ("sess-", f"{_A}{{32,}}"),  # OpenAI, a browser's session
    ("hf_|api_org_", f"{_A}{{24,}}"),  # Hugging Face
    ("gsk_", f"{_A}{{32,}}"),  # Groq
    ("xai-", f"{_W}{{40,}}"),
    ("pplx-", f"{_A}{{32,}}"),  # Perplexity
    ("r8_", f"{_A}{{30,}}"),  # Replicate
    ("nvapi-", f"{_W}{{40,}}"),  # NVIDIA
    ("csk-", f"{_A}{{32,}}"),  # Cerebras
    ("fw_", f"{_A}{{20,}}"),  # Fireworks
    ("tgp_v1_", f"{_W}{{24,}}"),  # Together
    ("lsv2_(?:pt|sk)_|ls__", f"{_W}{{24,}}"),  # LangSmith
    ("pcsk_", f"{_W}{{24,}}"),  # Pinecone
    ("tvly-", f"{_W}{{20,}}"),  # Tavily
    ("fc-", f"{_H}{{32}}"),  # Firecrawl
    ("e2b_", f"{_H}{{32,}}"),
    ("jina_", f"{_W}{{32,}}"),
    ("pa-", f"{_W}{{40,}}"),  # Voyage
    ("bb_live_", f"{_W}{{16,}}"),  # Browserbase
    ("ABSK", f"{_B}{{80,}}{_P}"),  # Amazon Bedrock
    ("bedrock-api-key-", f"{_B}{{32,}}{_P}"),
    # clouds
    ("AIza", f"{_W}{{35}}"),  # Google
    ("AQ\\.", f"{_W}{{40,}}"),  # Google, express
    ("GOCSPX-", f"{_W}{{20,}}"),
    ("ya29\\.", "[A-Za-z0-9_.-]{20,}"),
    ("1//0|1%2F%2F0|1\\\\/\\\\/0", f"{_W}{{30,}}"),  # Google, refresh
    ("AKIA|ASIA|ABIA|ACCA", "[A-Z2-7]{16}"),  # Amazon
    ("LTAI", f"{_A}{{16,26}}"),  # Alibaba
    ("AQVN", f"{_W}{{30,}}"),  # Yandex
    ("dop_v1_|doo_v1_|dor_v1_", f"{_H}{{64}}"),  # DigitalOcean
    ("HRKU-", f"{_W}{{30,}}"),  # Heroku
    ("nfp_|nfc_|nfo_|nfu_", f"{_A}{{30,}}"),  # Netlify
    ("vc[pkiar]_|vercel_", f"{_A}{{24,}}"),  # Vercel
    ("sbp_|sb_secret_", f"{_W}{{20,}}"),  # Supabase
    ("pscale_(?:tkn|pw|oauth)_", "[A-Za-z0-9_.=-]{20,}"),  # PlanetScale
    ("fm[12][ar]?_|fo1_", f"(?:{_B}|[=,]){{40,}}"),  # Fly
    ("tskey-(?:auth|api|client|webhook)-", f"{_W}{{16,}}"),  # Tailscale
    ("dapi", f"{_H}{{32}}(?:-\\d)?"),  # Databricks
    ("pul-", f"{_H}{{40}}"),  # Pulumi
    ("v1\\.0-", f"{_H}{{24}}-{_H}{{64,}}"),  # Cloudflare, origin CA
    ("cf[ua]t_|cfk_", f"{_A}{{30,}}"),  # Cloudflare
    ("napi_", f"{_A}{{40,}}"),  # Neon
    ("sk\\.eyJ", "[A-Za-z0-9_.-]{40,}"),  # Mapbox
    ("rnd_", f"{_A}{{24,}}"),  # Render
    # code and packages
    ("ghs_", "\\d+_eyJ[A-Za-z0-9_.-]{30,}"),
    ("gh[pousr]_", f"{_A}{{30,}}"),  # GitHub
    ("github_pat_", f"{_W}{{30,}}"),
    ("gl(?:pat|dt|rt|ptt|cbt|oas|soat|ft|ffct|imt|agent|wt)-", "[A-Za-z0-9_.-]{20,}"),  # GitLab
    ("ATATT3|ATCTT3|ATBB", "[A-Za-z0-9_=-]{24,}"),  # Atlassian, Bitbucket
    ("npm_", f"{_A}{{30,}}"),
    ("pypi-AgE", f"{_W}{{40,}}"),
    ("sq[apu]_", f"{_H}{{40}}"),  # SonarQube
    ("CCIPAT_", f"{_W}{{30,}}"),  # CircleCI
    ("rubygems_", f"{_H}{{40,}}"),
    ("cio", f"{_A}{{32}}(?!{_A})"),  # crates.io
    ("dckr_(?:pat|oat)_", f"{_W}{{24,}}"),  # Docker
    ("oy2", "[a-z0-9]{43}(?![a-z0-9])"),  # NuGet
    ("sgp_", f"{_W}{{30,}}"),  # Sourcegraph
    ("AKCp", f"{_A}{{60,}}"),  # Artifactory
    ("CFPAT-", f"{_W}{{40,}}"),  # Contentful
    # communication
    ("xox[abeoprs]-|xoxe\\.xox[bp]-|xapp-", "[A-Za-z0-9-]{20,}"),  # Slack
    ("SG\\.", f"{_W}{{16,}}\\.{_W}{{16,}}"),  # SendGrid
    ("M|N|O", f"[A-Za-z0-9]{{23,27}}\\.{_W}{{6}}\\.{_W}{{27,}}"),  # Discord
    ("SK", f"{_H}{{32}}(?!{_A})"),  # Twilio
    ("key-", f"{_H}{{32}}(?!{_A})"),  # Mailgun
    ("re_", f"{_A}{{6,12}}_{_A}{{18,}}"),  # Resend
    ("xkeysib-|xsmtpsib-", f"{_H}{{32,}}-{_A}{{12,}}"),  # Brevo
    # money and shops
    ("sk_live_|sk_test_|rk_live_|rk_test_|whsec_test_", f"{_A}{{16,}}"),  # Stripe
    ("whsec_", f"{_B}{{24,}}{_P}"),
    ("shp(?:at|ca|pa|ss)_", "[0-9a-fA-F]{32}"),  # Shopify
    ("sq0(?:atp|csp|idp)-", f"{_W}{{22,}}"),  # Square
    ("EAAA[A-Za-z0-9]", f"{_W}{{58,}}"),
    ("EAA", f"{_A}{{80,}}"),  # Facebook
    ("EZ[AT]K", f"{_A}{{54}}"),  # EasyPost
    ("access_token\\$(?:production|sandbox)\\$", f"{_A}{{16}}\\${_H}{{32}}"),  # Braintree
    ("rzp_(?:live|test)_", f"{_A}{{14,}}"),  # Razorpay
    # work, data, operations
    ("ntn_|secret_(?=[A-Za-z0-9]{43})", f"{_A}{{40,}}"),  # Notion
    ("lin_(?:api|oauth)_", f"{_A}{{32,}}"),  # Linear
    ("figd_|figo[rh]?_", f"{_W}{{30,}}"),  # Figma
    ("PMAK-", f"{_H}{{24}}-{_H}{{34}}"),  # Postman
    ("NRAK-|NRJS-|NRII-|NRIQ-", f"{_W}{{16,}}"),  # New Relic
    ("sntrys_|sntryu_|sntrya_", f"(?:{_B}|=|%3[Dd]){{32,}}"),  # Sentry
    ("glsa_", f"{_A}{{32}}_[0-9a-fA-F]{{8}}"),  # Grafana
    ("glc_", f"{_B}{{32,}}{_P}"),
    ("phx_|phs_", f"{_W}{{32,}}"),  # PostHog, personal
    ("hv[sbr]\\.", f"{_W}{{20,}}"),  # Vault
    ("dp\\.(?:pt|st|ct|sa|scim|audit)\\.(?:[a-z0-9_-]{2,35}\\.)?", f"{_A}{{40,}}"),  # Doppler
    ("dvc_|dg\\.", f"{_A}{{40,}}"),
    ("bkua_|bkct_", f"{_H}{{40}}"),  # Buildkite
    ("esecret_", f"{_A}{{20,}}"),  # Anyscale
    ("ek_", f"{_H}{{32}}"),  # OpenAI, a session of its Realtime API
    ("syt_", f"{_W}{{20,}}"),  # Matrix
    ("AAAA(?=[A-Za-z0-9_-]{7}:APA91b)", f"{_W}{{7}}:APA91b{_W}{{100,}}"),  # Firebase
    ("eyJwYXlsb2FkIjoi", f"{_B}{{100,}}{_P}"),  # Amazon, container registry
    (
        "LS0tLS1CRUdJTi(?=[A-Za-z0-9+/]{0,40}(?:UFJJVkFURS|QUklWQVRF|BSSVZBVE))",
        f"{_B}{{60,}}{_P}",
    ),  # a private key in base64
    ("GOOG1E", f"{_A}{{50,}}"),  # Google, HMAC
    ("ops_eyJ", "[A-Za-z0-9+/_=-]{80,}"),  # 1Password
    ("A3-", "[A-Z0-9]{6}-(?:[A-Z0-9]{5,6}-){3,5}[A-Z0-9]{5}"),
    ("AGE-SECRET-KEY-1|AGE-PLUGIN-[A-Z]+-1", "[0-9A-Z]{40,}"),
    ("pat(?=[A-Za-z0-9]{14}\\.)", f"{_A}{{14}}\\.{_H}{{64}}"),  # Airtable
    ("pat-(?:na1|eu1)-", f"{_H}{{8}}-{_W}{{20,}}"),  # HubSpot
    ("sl\\.(?:u\\.)?", f"{_W}{{120,}}"),  # Dropbox
    ("secret-token:", "[A-Za-z0-9_.~%-]{16,}"),  # RFC 8959
    ("shippo_(?:live|test)_", f"{_H}{{40}}"),
    ("dt0c01\\.", "[A-Z0-9]{24}\\.[A-Z0-9]{64}"),  # Dynatrace
    ("xprv|yprv|zprv", f"{_A}{{100,}}"),  # extended private keys
    ("tk-us-|duffel_(?:live|test)_|API-(?=[A-Z0-9]{26})|ico-|sct_live_|key_live_", f"{_W}{{24,}}"),
)
_JWT: Final = r"(?P<jwt>eyJ[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*){1,3}\.[A-Za-z0-9_-]{6,})"
_BEGIN: Final = rb"(?<![A-Za-z0-9])(?:(?<=\\)(?:[nrt]|u[0-9a-fA-F]{4})|(?<=%)[0-9a-fA-F]{2})?"
_HEX_FORMATS: Final = re.compile(_BEGIN + rb"([0-9a-f]{32}-(?:us\d{1,2}(?![\w-])|[0-9a-f]{8}-[0-9a-f]{8}(?![\w-])))")
"""Mailchimp's and Mailgun's, known by what stands behind 32 hexadecimal digits."""

_AZURE: Final = re.compile(_BEGIN + rb"([A-Za-z0-9]{40,60}JQQJ99[A-Za-z0-9]{20,30})")
_TELEGRAM: Final = re.compile(rb"(?<!\d)(\d{8,10}(?::|%3[Aa])AA[A-Za-z0-9_-]{30,})")
_TERRAFORM: Final = re.compile(_BEGIN + rb"([A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{40,})")
_HOOK: Final = re.compile(
    rb"(?:hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d+/|"
    rb"hooks\.zapier\.com/hooks/catch/|hook\.\w+\.make\.com/|webhook\.office\.com/webhookb2/|chat\.googleapis\.com/v1/spaces/[^\s\"'<>]*?key=)".replace(
        b"/", rb"(?:\\*/|%2[Ff])"
    )
    + rb"((?:[A-Za-z0-9@.%_-]|\\*/){20,})"
)
_AWS_SECRET: Final = re.compile(
    rb"(?<![A-Za-z0-9/+=_.-])(?:(?<=\\)[nrt])?((?:[A-Za-z0-9/+]|\\+/){40})(?![A-Za-z0-9/+=_-])"
)
_NEAR: Final = 300
"""So far from the id of an access key its secret may stand without a name."""


def _beginnings(begin: str) -> Iterator[str]:
    """Yield the first two characters of each way in which a format begins, or the one there is."""
    depth = start = 0
    for place, character in enumerate(f"{begin}|"):
        depth += (character == "(") - (character == ")")
        if character == "|" and depth == 0:
            yield begin[start : min(start + 2, place)]
            start = place + 1


def _by_beginning() -> Mapping[bytes, re.Pattern[bytes]]:
    """Return for each two characters what may begin with them."""
    found: dict[str, list[str]] = {"ey": [_JWT]}
    for begin, rest in _FORMATS:
        for two in _beginnings(begin):
            for pair in [two] if len(two) == 2 else [two + second for second in string.digits + string.ascii_letters]:
                found.setdefault(pair, []).append(f"(?:{begin})(?:{rest})")
    return {pair.encode(): re.compile("|".join(formats).encode()) for pair, formats in found.items()}


_TOKENS: Final = _by_beginning()
_HEADS: Final = frozenset(_TOKENS)
_STARTS: Final = re.compile(rb"(?:(?<![A-Za-z0-9\\])|(?<=\\)(?![nrtbfu]))[A-Za-z0-9]")
_GLUED_STARTS: Final = re.compile(
    rb"(?:(?<![A-Za-z0-9\\])|(?<=\\)(?![nrtbfu])|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{4})|(?<=%[0-9a-fA-F]{2})|(?<=[0-9]m))[A-Za-z0-9]"
)
_LEADS: Final = b".:$/+=\\%[;"
"""What may stand before a run that is not where its token begins: the beginning is too short to be a run, or an escape."""

_ESCAPING: Final = b"\\%[;"
_LEAD: Final = 24
_HOST: Final = 160
"""So far before a run the host may stand that makes a token of it, and so far behind its beginning a token may go on."""

_HEX: Final = b"0123456789abcdef-"


def token_findings(scanned: Scanned) -> Iterator[Finding]:
    """Yield the tokens of a text."""
    raw = scanned.raw
    done = 0
    for start, end in scanned.runs():
        if end <= done:
            continue
        if _HEADS.isdisjoint(_heads(raw, start, end)) and not _may_tell_itself(raw, start, end):
            continue
        inner = _known_by_the_middle(raw, start, end)
        if inner is not None:
            done = inner.end(1)
            yield Finding.of(scanned.text, *inner.span(1), "token")
        elif raw[start:end].translate(None, _HEX) or raw[start - 1 : start] == b".":
            for place in _places(raw, start, end):
                found = _TOKENS[raw[place : place + 2]].match(raw, place) if place >= done else None
                if found is not None and not _stands_in(found[0]):
                    done = _end(raw, found.end())
                    yield Finding.of(scanned.text, place, done, found.lastgroup or "token")
                    if raw[place : place + 4] in (b"AKIA", b"ASIA"):
                        yield from _near(scanned, place, done)


def _heads(raw: bytes, start: int, end: int) -> set[bytes]:
    """Return the first two characters of each part of a run, and of what stands before it."""
    found = {part[:2] for part in raw[start:end].replace(b"-", b"_").split(b"_")}
    before = raw[start - 1] if start else 0
    if before in _ESCAPING:
        glue = GLUED.match(raw, start)
        found.add(raw[glue.end() : glue.end() + 2] if glue is not None else b"")
    if before in _LEADS:
        lead = raw[max(0, start - _LEAD) : start].replace(b"\\n", b" ").replace(b"\\t", b" ").replace(b"%", b" ZZ")
        found.update(part[:2] for part in lead.translate(PARTED).split())
    return found


def _may_tell_itself(raw: bytes, start: int, end: int) -> bool:
    """Whether a run is long enough for what is known by its middle, and has one of its signs."""
    return raw[start - 1 : start] in (b"/", b".") or (
        end - start >= 32
        and (b"AA" in raw[start : start + 4] or b"-" in raw[start + 32 : start + 39] or b"JQQJ99" in raw[start:end])
    )


def _known_by_the_middle(raw: bytes, start: int, end: int) -> re.Match[bytes] | None:
    """Return the token of a run that does not tell itself by its beginning."""
    for pattern, back in _middles(raw, start, end):
        found = pattern.search(raw, max(0, start - back), end + _HOST)
        if found is not None and found.start(1) < end:
            return found
    return None


def _middles(raw: bytes, start: int, end: int) -> Iterator[tuple[re.Pattern[bytes], int]]:
    """Yield what a run may be, by a cheap test of each, and how far before it that begins."""
    if b"AA" in raw[start : start + 4]:
        yield _TELEGRAM, _LEAD
    if b"-" in raw[start + 32 : start + 39]:
        yield _HEX_FORMATS, 1
    if end - start > 66 and b"JQQJ99" in raw[start:end]:
        yield _AZURE, 1
    if raw.endswith(b".atlasv1.", 0, start):
        yield _TERRAFORM, 2 * _LEAD
    if raw[start - 1 : start] in (b"/", b"%"):
        before = raw[max(0, start - _HOST) : start]
        if b"hook" in before or b"chat.googleapis" in before:
            yield _HOOK, _HOST


def _near(scanned: Scanned, start: int, end: int) -> Iterator[Finding]:
    """Yield the secrets that stand near the id of an access key, without a name."""
    for found in _AWS_SECRET.finditer(scanned.raw, max(0, start - _NEAR), end + _NEAR):
        secret = found[1]
        if not (secret.islower() or secret.isupper() or secret.isdigit()) and is_random(secret):
            yield Finding.of(scanned.text, *found.span(1), "secret")


def _places(raw: bytes, start: int, end: int) -> list[int]:
    """Return where a token may begin in a run, or shortly before it."""
    found: list[re.Match[bytes]] = []
    if start and raw[start - 1] in _LEADS:
        found += _GLUED_STARTS.finditer(raw, max(0, start - _LEAD), start + 8)
    found += _STARTS.finditer(raw, start, end)
    return [match.start() for match in found if raw[match.start() : match.start() + 2] in _TOKENS]


def _end(raw: bytes, end: int) -> int:
    """Return where the run ends in which a token ends: a format may have grown since."""
    while end < len(raw) and (raw[end : end + 1].isalnum() or raw[end] in b"_-"):
        end += 1
    return end


def _stands_in(token: bytes) -> bool:
    body = token[max(4, token.find(b"-", 0, 8) + 1, token.find(b"_", 0, 8) + 1) :]
    has_digit = any(byte in b"0123456789" for byte in body)
    return is_stand_in(body) or len(set(body[-24:])) < 6 or (not has_digit and (body.islower() or b"-" in body))
