"""Tokens that tell themselves by their shape, as vendors make them today: what stands alone must be found alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["TOKENS"]

_ANTHROPIC: Final = "sk-ant-"
_OPENAI: Final = "T3Blbk" + "FJ"
_AZURE: Final = "JQQJ" + "99B"

_MODELS: Final[Mapping[str, tuple[str, ...]]] = {
    "openai legacy": (f"sk-{{a20}}{_OPENAI}{{a20}}", "sk-{a48}"),
    "openai project": (
        f"sk-proj-{{w74}}{_OPENAI}{{w74}}",
        f"sk-proj-{{w58}}{_OPENAI}{{w58}}",
        f"sk-proj-{{a20}}{_OPENAI}{{a20}}",
    ),
    "openai service account": (f"sk-svcacct-{{w74}}{_OPENAI}{{w74}}", f"sk-svcacct-{{w58}}{_OPENAI}{{w58}}"),
    "openai admin": (f"sk-admin-{{w58}}{_OPENAI}{{w58}}", f"sk-admin-{{w74}}{_OPENAI}{{w74}}"),
    "openai session": ("sess-{a40}",),
    "anthropic": (_ANTHROPIC + "api03-{w93}AA",),
    "anthropic admin": (_ANTHROPIC + "admin01-{w93}AA",),
    "anthropic oauth": (_ANTHROPIC + "oat01-{w93}AA", _ANTHROPIC + "ort01-{w93}AA"),
    "google api key": ("AIza{w35}", "AIzaSy{w33}"),
    "google express key": ("AQ.Ab8RN6{w44}",),
    "groq": ("gsk_{a20}WGdyb3FY{a24}",),
    "xai": ("xai-{a80}",),
    "perplexity": ("pplx-{a48}",),
    "replicate": ("r8_{a37}",),
    "openrouter": ("sk-or-v1-{h64}",),
    "hugging face": ("hf_{l34}", "api_org_{l34}"),
    "nvidia": ("nvapi-{w64}",),
    "cerebras": ("csk-{n48}",),
    "tavily": ("tvly-dev-{a32}", "tvly-{a32}"),
    "langsmith": ("lsv2_pt_{h32}_{h10}", "lsv2_sk_{h32}_{h10}"),
    "langfuse": ("sk-lf-{uuid}",),
    "pinecone": ("pcsk_{a6}_{a63}",),
    "elevenlabs": ("sk_{h48}",),
}

_CLOUDS: Final[Mapping[str, tuple[str, ...]]] = {
    "aws access key id": ("AKIA{t16}", "ASIA{t16}"),
    "aws bedrock key": ("ABSK{b109}=", "ABSK{b128}"),
    "azure openai key": (f"{{a52}}{_AZURE}{{z1}}AC{{a5}}XJ3w3AAABACOG{{a4}}",),
    "azure devops token": (f"{{a51}}{_AZURE}{{z1}}ACAAAAAA{{a5}}AAASAZDO{{a4}}",),
    "azure client secret": ("{a3}8Q~{w34}", "{a3}7Q~{a18}~{a10}.{a3}"),
    "google access token": ("ya29.{w180}", "ya29.a0{w160}"),
    "google refresh token": ("1//0{w60}",),
    "google client secret": ("GOCSPX-{w28}",),
    "digitalocean": ("dop_v1_{h64}", "doo_v1_{h64}"),
    "cloudflare": ("cfut_{checked46}", "cfat_{checked46}", "cfk_{checked46}"),
    "alibaba access key id": ("LTAI5t{a18}",),
    "databricks": ("dapi{h32}", "dapi{h32}-2"),
    "heroku": ("HRKU-AA{w58}",),
    "netlify": ("nfp_{a36}",),
    "vercel": ("vcp_{checked56}", "vck_{checked56}"),
    "fly.io": ("fo1_{w43}",),
    "supabase": ("sbp_{h40}", "sb_secret_{w31}"),
    "planetscale": ("pscale_pw_{w43}", "pscale_tkn_{w43}"),
    "neon": ("napi_{n64}",),
    "doppler": ("dp.pt.{a43}", "dp.st.dev.{a43}"),
    "vault": ("hvs.{w92}", "hvb.{w140}"),
    "terraform cloud": ("{a14}.atlasv1.{w67}",),
    "pulumi": ("pul-{h40}",),
    "tailscale": ("tskey-auth-{a12}CNTRL-{a32}",),
    "age": ("AGE-SECRET-KEY-1{q58}",),
    "1password": ("ops_eyJ{w250}",),
}

_PLATFORMS: Final[Mapping[str, tuple[str, ...]]] = {
    "github": ("ghp_{checked36}", "gho_{checked36}", "ghu_{checked36}", "ghs_{checked36}", "ghr_{checked76}"),
    "github fine-grained": ("github_pat_{a22}_{a59}",),
    "github stateless": ("ghs_{d7}_{jwt342}",),
    "gitlab": ("glpat-{w20}", "gldt-{w20}", "glrt-{w20}", "glptt-{h40}", "glft-{w20}", "glcbt-{n2}_{w20}"),
    "gitlab routable": ("glpat-{w27}.{n2}.{n7}",),
    "slack": ("xoxb-{d12}-{d13}-{a24}", "xoxp-{d12}-{d12}-{d13}-{h32}", "xapp-1-A{u10}-{d13}-{h64}"),
    "slack webhook": ("https://hooks.slack.com/services/T{u10}/B{u10}/«{a24}»",),
    "stripe": ("sk_live_{a24}", "rk_live_{a99}", "sk_live_51{a97}", "sk_test_51{a97}"),
    "stripe webhook": ("whsec_{a32}",),
    "npm": ("npm_{checked36}",),
    "pypi": ("pypi-AgEIcHlw" + "aS5vcmc{w150}",),
    "rubygems": ("rubygems_{h48}",),
    "crates.io": ("cio{a32}",),
    "nuget": ("oy2{n43}",),
    "docker hub": ("dckr_pat_{w27}", "dckr_oat_{a32}"),
    "sendgrid": ("SG.{w22}.{w43}",),
    "mailgun": ("key-{h32}",),
    "mailchimp": ("{h32}-us12",),
    "brevo": ("xkeysib-{h64}-{a16}",),
    "resend": ("re_{a8}_{a24}",),
    "twilio key": ("SK{h32}",),
    "telegram bot": ("{d10}:AA{w33}", "https://api.telegram.example/bot«{d10}:AA{w33}»/sendMessage"),
    "discord bot": ("MT{a22}.{w6}.{w38}",),
    "discord webhook": ("https://discord.com/api/webhooks/1100220033004400550/«{w68}»",),
    "teams webhook": ("https://acme.webhook.office.com/webhookb2/{uuid}@{uuid}/IncomingWebhook/«{h32}»/{uuid}",),
    "shopify": ("shpat_{h32}", "shpss_{h32}"),
    "square": ("EAAA{w60}", "sq0csp-{w43}"),
    "notion": ("ntn_{d11}{a35}", "secret_{a43}"),
    "linear": ("lin_api_{a40}",),
    "figma": ("figd_{w40}",),
    "postman": ("PMAK-{h24}-{h34}",),
    "atlassian": ("ATATT3xFfGF0{w170}={i8}",),
    "airtable": ("pat{a14}.{h64}",),
    "hubspot": ("pat-na1-{uuid}",),
    "new relic": ("NRAK-{u27}",),
    "sentry": ("sntrys_{claims60}_{b43}", "sntryu_{h64}"),
    "grafana": ("glsa_{a32}_{h8}", "glc_{claims40}"),
    "dynatrace": ("dt0c01.{t24}.{t64}",),
    "sonar": ("squ_{h40}", "sqp_{h40}"),
    "circleci": ("CCIPAT_{a22}_{h40}",),
    "mapbox": ("sk.eyJ1Ijoi{a60}.{w22}",),
    "facebook": ("EAAG{a150}",),
    "jwt": ("{jwt43}", "{jwt86}", "{jwt342}"),
}

TOKENS: Final[Mapping[str, tuple[str, ...]]] = {**_MODELS, **_CLOUDS, **_PLATFORMS}
