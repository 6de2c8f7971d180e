"""Secrets that only the words around them tell: names, flags, headers, addresses. One line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["LINES"]

_NAMED: Final[Mapping[str, tuple[str, ...]]] = {
    "aws secret key": (
        "AWS_SECRET_ACCESS_KEY=«{b40}»",
        "«AKIA{t16}» «{b40}»",
        'aws_secret_access_key = "«{b40}»"',
        '"SecretAccessKey": "«{b40}»"',
    ),
    "aws session token": ("AWS_SESSION_TOKEN=«IQoJb3JpZ2luX2VjE{b400}==»", '"SessionToken": "«FwoGZXIvYXdzE{b300}»"'),
    "azure named key": ("AZURE_OPENAI_API_KEY=«{h32}»", "api-key: «{h32}»", "Ocp-Apim-Subscription-Key: «{h32}»"),
    "mistral": ("MISTRAL_API_KEY=«{a32}»", "mistral_api_key: «{a32}»"),
    "cohere": ("CO_API_KEY=«{a40}»", 'cohere.Client(api_key="«{a40}»")'),
    "deepseek": ("DEEPSEEK_API_KEY=«sk-{h32}»", '"deepseek_api_key": "«sk-{h32}»"'),
    "datadog": ("DD_API_KEY=«{h32}»", "DD-APPLICATION-KEY: «{h40}»", "DATADOG_APP_KEY=«{h40}»"),
    "twilio auth token": ("TWILIO_AUTH_TOKEN=«{h32}»", 'auth_token="«{h32}»"'),
    "cloudflare named": ("CLOUDFLARE_API_TOKEN=«{w40}»", "X-Auth-Key: «{h37}»"),
    "vercel named": ("VERCEL_TOKEN=«{a24}»",),
    "algolia": ("ALGOLIA_ADMIN_API_KEY=«{h32}»", "X-Algolia-API-Key: «{h32}»"),
    "exported variable": ("export CI_DEPLOY_TOKEN=«{a32}»", 'export FOO_TOKEN="«{h40}»"', "set BAR_SECRET=«{a24}»"),
    "windows variable": ("$env:SERVICE_API_KEY = '«{a32}»'", "setx SERVICE_TOKEN «{a32}»"),
    "docker variable": ("docker run -e DB_PASSWORD=«{p16}» postgres:17", "ENV SESSION_SECRET=«{a40}» \\"),
}

_CODE: Final[Mapping[str, tuple[str, ...]]] = {
    "json member": (
        '"password": "«{p14}»"',
        '"apiKey": "«{a32}»"',
        '"client_secret":"«{w40}»"',
        '"accessToken" : "«{a48}»"',
        '"refresh_token": "«{w64}»"',
        '"secretKey": "«{b40}»"',
        '{"user": "app", "passwd": "«{p12}»", "port": 5432}',
    ),
    "python assignment": (
        'password = "«{p16}»"',
        "API_KEY = '«{a32}»'",
        'client_secret: str = "«{w32}»"',
        'login(user="app", password="«{p12}»")',
        "headers['X-Api-Key'] = '«{h32}»'",
    ),
    "python dict": ("{'user': 'app', 'password': '«{p12}»'}", "{'api_key': '«{a32}»', 'n': 1}"),
    "javascript member": ("const config = { apiKey: '«{a32}»' };", "authToken: `«{a40}»`,", 'let secret = "«{p20}»";'),
    "go assignment": ('apiKey := "«{a32}»"', 'Password: "«{p16}»",'),
    "java property": ("spring.datasource.password=«{p16}»", "jwt.secret=«{a64}»"),
    "yaml member": ("password: «{p14}»", "clientSecret: «{w40}»", 'PASSWORD: "«{p16}»"', "- api_token: '«{a40}»'"),
    "toml member": ('secret_key = "«{a50}»"', 'token = "«{h40}»"'),
    "ini member": ("passwd = «{p12}»", "db_password=«{p18}»"),
    "terraform member": ('admin_password = "«{p16}»"', 'default_api_key = "«{a32}»"'),
    "django secret key": ("SECRET_KEY = 'django-insecure-«{n50}»'",),
    "passphrase": ('passphrase = "«{s7} {s6} {s5} {d2} {s8}»"', "passphrase: «{p20}»"),
    "short password": ('"password": "«{p8}»"', "password=«{p9}»", "PGPASSWORD=«{p10}»"),
    "wallet key": ("ETH_PRIVATE_KEY=«0x{h64}»", '"private_key": "«{h64}»"', "wallet_private_key: «5K{a49}»"),
    "private key in base64": ('"privateKey": "«{padded180}»"',),
    "prose": ("The password is «{p14}»", "my api key is «{a32}»", "password: «{p14}»"),
    "url-encoded form": (
        "grant_type=password&username=app&password=«{a16}»&scope=all",
        "client_id=web&client_secret=«{w32}»",
    ),
    "xml member": ("<password>«{p16}»</password>", '<add key="ApiKey" value="«{a32}»" />'),
}

_COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "flag": (
        "deploy --password «{p14}»",
        "deploy --token=«{a32}» --region eu",
        "deploy --api-key «{a32}»",
        "deploy --client-secret '«{w32}»'",
    ),
    "mysql flag": ("mysql -u root -p«{p12}» shop", "mysqldump --user=root --password=«{p12}» shop"),
    "sshpass": ("sshpass -p «{p14}» ssh app@build.example",),
    "curl user": (
        "curl -u deploy:«{p14}» https://api.example.com/v1",
        "curl --user 'deploy:«{p16}»' https://api.example.com",
    ),
    "docker login": ("docker login -u deploy -p «{p16}» registry.example",),
    "redis flag": ("redis-cli -h cache.example -a «{p16}» ping",),
    "openssl passphrase": ("openssl rsa -passin pass:«{p14}» -in key.pem",),
}

_HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "bearer": ("Authorization: Bearer «{a40}»", '"Authorization": "Bearer «{w43}»"', "authorization: bearer «{h40}»"),
    "basic": ("Authorization: Basic «{pair16}»", "Proxy-Authorization: Basic «{pair12}»"),
    "digest": ('Authorization: Digest username="app", realm="r", nonce="n1", uri="/a", response="«{h32}»"',),
    "token header": ("Authorization: token «{h40}»", "PRIVATE-TOKEN: «{a20}»", "X-Vault-Token: «s.{a24}»"),
    "api key header": ("X-Api-Key: «{a40}»", "x-goog-api-key: «{a39}»", "'x-api-key': '«{h32}»'"),
    "aws signature": (
        (
            "Authorization: AWS4-HMAC-SHA256 Credential=«AKIA{t16}»/20261120/eu-west-1/s3/aws4_request, "
            "SignedHeaders=host, Signature=«{h64}»"
        ),
    ),
    "cookie": ("Cookie: theme=dark; sessionid=«{n32}»", "cookie: session=«{w86}»; lang=en"),
    "set-cookie": ("Set-Cookie: sid=«{w43}»; Path=/; HttpOnly", "set-cookie: connect.sid=s%3A«{w32}.{a43}»; Secure"),
    "csrf token": ("X-CSRF-Token: «{w43}»",),
}

_ADDRESSES: Final[Mapping[str, tuple[str, ...]]] = {
    "postgres url": ("postgres://app:«{p16}»@db.example:5432/shop", "postgresql+psycopg://app:«{p12}»@db.example/shop"),
    "mongodb url": ("mongodb+srv://app:«{a16}»@c0.mongodb.example/shop?retryWrites=true",),
    "redis url": ("redis://:«{p20}»@cache.example:6379/0", "rediss://default:«{a24}»@cache.example:6380"),
    "amqp url": ("amqp://app:«{a14}»@mq.example:5672/vhost",),
    "mysql url": (
        "mysql://root:«{p12}»@db.example:3306/shop",
        "jdbc:mysql://db.example/shop?user=app&password=«{a16}»",
    ),
    "git url": ("https://deploy:«{a40}»@git.example/acme/shop.git", "https://oauth2:«{a20}»@git.example/acme/shop.git"),
    "proxy url": ("http://proxyuser:«{p12}»@proxy.example:3128",),
    "sentry dsn": ("https://«{h32}»:«{h32}»@o1.ingest.example/42",),
    "ado connection string": (
        "Server=tcp:sql.example,1433;Database=shop;User ID=app;Password=«{p16}»;Encrypt=True;",
        "Data Source=sql.example;User Id=app;Pwd=«{p14}»;",
    ),
    "odbc connection string": ("Driver={ODBC Driver 18};Server=sql.example;UID=app;PWD=«{p14}»;",),
    "libpq string": ("host=db.example user=app password=«{p16}» dbname=shop",),
    "azure storage": (
        "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=«{b76}+ASt{b6}==»;EndpointSuffix=core.example",
        "AccountName=acme;AccountKey=«{b86}==»;",
    ),
    "azure service bus": ("Endpoint=sb://a.example/;SharedAccessKeyName=Root;SharedAccessKey=«{padded32}»",),
    "azure sas": (
        "https://acme.blob.example/c/f?sv=2024-11-04&sr=b&sp=r&se=2026-12-01T00%3A00%3A00Z&sig=«{a20}%2B{a16}%2F{a5}%3D»",
    ),
    "s3 signed url": (
        (
            "https://b.s3.example/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20261120T100000Z&X-Amz-Expires=3600&"
            "X-Amz-Signature=«{h64}»"
        ),
    ),
    "gcs signed url": (
        "https://storage.example/b/o?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Date=20261120T100000Z&X-Goog-Signature=«{h256}»",
    ),
    "cloudfront url": ("https://d1.cdn.example/f?Expires=1790000000&Signature=«{w160}__»&Policy=p",),
    "token in query": (
        "https://api.example.com/v1/jobs?token=«{a32}»",
        "https://api.example.com/v1?access_token=«{w43}»&page=2",
        "https://api.example.com/v1?page=2&api_key=«{h32}»",
    ),
    "logic app url": ("https://prod-1.logic.example/triggers/manual/paths/invoke?api-version=2016-10-01&sig=«{w43}»",),
    "otpauth": ("otpauth://totp/Acme:ann?secret=«{t32}»&issuer=Acme",),
    "oauth fragment": ("https://app.example/cb#access_token=«{w86}»&token_type=bearer",),
}

LINES: Final[Mapping[str, tuple[str, ...]]] = {**_NAMED, **_CODE, **_COMMANDS, **_HEADERS, **_ADDRESSES}
