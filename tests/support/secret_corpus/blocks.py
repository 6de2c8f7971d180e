"""Secrets of several lines: PEM blocks and files that hold credentials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["BLOCKS"]


def _pem(label: str, lines: str, head: str = "") -> str:
    dashes = "-" * 5
    return f"{dashes}BEGIN {label}{dashes}\n{head}«{lines}»\n{dashes}END {label}{dashes}"


_ENCRYPTED: Final = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233\n\n"
_KEY: Final = "PRIVATE KEY"

BLOCKS: Final[Mapping[str, tuple[str, ...]]] = {
    "pem pkcs8": (_pem(_KEY, "MIIEvQIBADANBgkqhkiG{b44}\n{lines6}"),),
    "pem rsa": (_pem(f"RSA {_KEY}", "{lines8}"), _pem(f"RSA {_KEY}", "{lines5}", _ENCRYPTED)),
    "pem ec": (_pem(f"EC {_KEY}", "{lines2}"), _pem(f"DSA {_KEY}", "{lines3}")),
    "pem openssh": (_pem(f"OPENSSH {_KEY}", "b3BlbnNzaC1rZXktdjEA{b50}\n{lines4}"),),
    "pem encrypted": (_pem(f"ENCRYPTED {_KEY}", "{lines6}"),),
    "pgp private key": (_pem(f"PGP {_KEY} BLOCK", "{lines6}\n={b4}", "Version: GnuPG v2\n\n"),),
    "pem cut short": ("-" * 5 + f"BEGIN RSA {_KEY}" + "-" * 5 + "\n«{b64}\n{b64}\n{b64}»",),
    "google service account": (
        '{\n  "type": "service_account",\n  "project_id": "acme-1",\n  "private_key_id": "'
        + "0a1b" * 10  # an id, which is no secret: two runs with other secrets have the same
        + '",\n  "private_key": '
        '"'
        + _pem(_KEY, "{escapedlines6}").replace("\n", "\\n")
        + '\\n",\n  "client_email": "bot@acme-1.iam.example"\n}',
    ),
    "netrc": (
        "machine api.example.com\n  login deploy\n  password «{p16}»",
        "machine git.example login deploy password «{a40}»",
    ),
    "pgpass": ("db.example:5432:shop:app:«{p16}»\n",),
    "docker config": ('{\n  "auths": {\n    "registry.example": {\n      "auth": "«{pair20}»"\n    }\n  }\n}',),
    "kubeconfig": ("users:\n- name: admin\n  user:\n    client-key-data: «{padded240}»\n    token: «{jwt342}»\n",),
    "kubernetes secret": (
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ndata:\n  password: «{padded18}»\n  api-key: «{padded30}»\n",
    ),
    "npmrc": (
        "registry=https://npm.example/\n//npm.example/:_authToken=«{uuid}»\n",
        "//npm.example/:_auth=«{pair18}»\n",
    ),
    "pypirc": ("[pypi]\nusername = __token__\npassword = «{p24}»\n",),
    "aws credentials file": (
        "[default]\naws_access_key_id = «AKIA{t16}»\naws_secret_access_key = «{b40}»\n",
        "[dev]\naws_access_key_id=«ASIA{t16}»\naws_secret_access_key=«{b40}»\naws_session_token=«IQoJb3JpZ2luX2VjE{b300}»\n",
    ),
    "aws answer": (
        '{"Credentials": {"AccessKeyId": "«ASIA{t16}»", "SecretAccessKey": "«{b40}»", "SessionToken": "«{b360}=»"}}',
    ),
    "oauth answer": (
        '{"access_token": "«{w120}»", "token_type": "Bearer", "expires_in": 3599, "refresh_token": "«{w64}»"}',
    ),
    "maven settings": (
        "<server>\n  <id>releases</id>\n  <username>ci</username>\n  <password>«{p16}»</password>\n</server>",
    ),
    "wireguard": ("[Interface]\nPrivateKey = «{padded32}»\nAddress = 10.0.0.2/32\n",),
    "git credentials": ("https://deploy:«{a40}»@git.example\nhttps://ci:«{a20}»@code.example\n",),
    "ssh session": (
        "$ sudo -S ls\n[sudo] password for app: \n$ echo «{p14}» | docker login --password-stdin\n$ MYSQL_PWD=«{p14}» mysql",
    ),
}
