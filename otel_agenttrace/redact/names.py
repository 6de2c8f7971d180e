"""Tell from a name whether a secret stands beside it: `db_password`, `apiKey`, and not `max_tokens`. Name in, kind out."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal, TypeAlias

__all__ = ["NameKind", "kind_of_name"]

NameKind: TypeAlias = Literal["password", "phrase", "secret", "cookie"]
"""What a name says of its value: chosen by a person, one or several words; drawn by a machine; pairs of a cookie."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_TAILS: Final = _words(
    """value data plain text raw str string b64 base64 pem prod production staging stage dev live test default main new old
    current primary secondary hex enc base confirm confirmation again"""
)
"""Words behind the one that tells."""

_PASSWORDS: Final = ("password", "passwd", "passwort", "kennwort", "passcode", "wachtwoord", "contrasena", "senha")
_SHORT_PASSWORDS: Final = _words("pwd pass passe pw psk mdp pasword passwrd haslo losenord parola")
_NO_PASSES: Final = _words("bypass compass trespass surpass encompass overpass underpass")
_PHRASES: Final = _words("passphrase mnemonic phrase")
_OF_PHRASES: Final = _words("pass seed recovery secret backup wallet")
_SECRETS: Final = _words(
    """secret secrets apikey apisecret accesskey secretkey privatekey authkey authtoken accesstoken refreshtoken idtoken
    usertoken bottoken sessiontoken bearertoken token credential credentials creds authorization bearer jwt jsessionid
    phpsessid sessionid clientsecret signingkey encryptionkey masterkey subscriptionkey accountkey sharedaccesskey pat
    webhooksecret appsecret apptoken devicetoken verifier presharedkey"""
)
_NO_TOKENS: Final = _words(
    """page next prev previous continuation cursor sync pagination stop eos bos pad unk special start end first last per mask
    max min num n resume total input output prompt completion cached reasoning image audio text count limit budget used
    remaining rate cost price thinking context sep cls new id ids type sampled position change delta offset scroll bookmark
    list marker query dedup idempotency request transition progress client"""
)
_KEYS: Final = _words(
    """api access secret private auth account shared encryption signing master service subscription license application app
    client consumer ssh deploy webhook admin functions function host sas write read ingest integration hmac aes cipher
    decryption jwt bot storage openai anthropic azure google gemini cohere mistral groq deepseek huggingface hf replicate
    stripe twilio sendgrid datadog dd newrelic sentry pinecone weaviate qdrant langsmith langfuse wandb github gitlab aws gcp
    cloudflare mailgun algolia alchemy infura etherscan serpapi serper tavily exa firecrawl elevenlabs deepgram assemblyai
    together fireworks perplexity xai openrouter voyage jina nvidia cerebras bedrock search maps firebase supabase airtable
    notion linear figma shopify square paypal fernet django flask rails base ocp apim wallet signer partner merchant vault
    token security validation preshared"""
)
"""Words that make a secret of the `key` behind them."""

_NO_KEYS: Final = _words(
    """primary foreign public cache sort partition idempotency group order row object s3 map lookup index unique composite
    range routing dedup publishable prompt translation i18n message json dict metadata attribute column natural surrogate
    answer site verification"""
)


@lru_cache(maxsize=4096)
def kind_of_name(name: str) -> NameKind | None:
    """Return what a name says of its value, or None if it is not telling."""
    words = [word.lower() for word in _WORDS.findall(name)]
    while len(words) > 1 and (words[-1] in _TAILS or words[-1].isdigit()):
        words.pop()
    if not words:
        return None
    last, before = words[-1], words[:-1]
    if _is_password(last):
        return "password"
    if last in _PHRASES:
        return "phrase" if last != "phrase" or _OF_PHRASES.intersection(before[-1:]) else None
    if last == "cookie":
        return "cookie"
    return "secret" if _is_secret(last, before, name) else None


def _is_password(word: str) -> bool:
    is_short = word.endswith(("pass", "pw")) and len(word) > 4 and word not in _NO_PASSES
    return word.endswith(_PASSWORDS) or word in _SHORT_PASSWORDS or is_short


def _is_secret(last: str, before: list[str], name: str) -> bool:
    if last == "token":
        return not _NO_TOKENS.intersection(before)
    if last == "key":
        return (
            bool(before) and not _NO_KEYS.intersection(before) and (bool(_KEYS.intersection(before)) or name.isupper())
        )
    pair = (before[-1] if before else "", last)
    return last in _SECRETS or (last == "auth" and bool(before)) or pair in _PAIRS


_PAIRS: Final = frozenset(
    {("connect", "sid"), ("secret", "id"), ("device", "code"), ("saml", "response"), ("session", "cookie")}
)
