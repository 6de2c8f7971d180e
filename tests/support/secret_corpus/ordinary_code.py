"""Code, settings and files that handle credentials, or look so, without a value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

__all__ = ["CODE"]

_PYTHON: Final[Mapping[str, str]] = {
    "python environment": 'client = OpenAI(api_key=os.environ["OPENAI_API_KEY"])',
    "python getenv": 'token = os.getenv("GITHUB_TOKEN", "")',
    "python annotation": "def login(user: str, password: str, token: Optional[str] = None) -> Session:",
    "python secret type": "class Settings(BaseSettings):\n    api_key: SecretStr\n    db_password: SecretStr = Field(min_length=12)",
    "python none": "Client(api_key=None, secret=False, timeout=30)",
    "python getpass": "password = getpass()",
    "python getpass prompt": 'password = getpass.getpass("Password: ")',
    "python made": "token = secrets.token_urlsafe(32)\nsecret_key = os.urandom(24)",
    "python lambda": "rows.sort(key=lambda x: x[1]); max(rows, key=itemgetter(2))",
    "python attribute": "self.password = password\nself._token = config.token\nkey = self.cache_key(request)",
    "python f-string": 'url = f"https://{user}:{password}@{host}/v1?token={token}"',
    "python hash": "password_hash = bcrypt.hashpw(password.encode(), bcrypt.gensalt())",
    "python compare": 'if token == expected_token and password != "":',
    "python keyword": "encoder.encode(text, tokenizer=tokenizer, add_special_tokens=True, max_tokens=4096)",
    "python dict lookup": 'password = config["database"]["password"]\napi_key = settings.get("api_key")',
    "python test": 'def test_password_is_hidden(): assert "password" not in repr(user)',
    "python import": "from app.security import PasswordHasher, create_access_token, verify_password",
    "python await": "access_token = await credential.get_token(scope)",
}

_OTHERS: Final[Mapping[str, str]] = {
    "javascript environment": "const client = new OpenAI({ apiKey: process.env.OPENAI_API_KEY });",
    "javascript token": "token: process.env.TOKEN,",
    "javascript types": "interface Login { user: string; password: string; refreshToken?: string }",
    "javascript cookie": "document.cookie = `theme=${theme}; path=/`;",
    "javascript header": "headers: { Authorization: `Bearer ${accessToken}`, 'x-api-key': apiKey }",
    "javascript state": "const [password, setPassword] = useState('');",
    "javascript key": "items.map(item => <Row key={item.id} secret={item.isSecret} />)",
    "go environment": 'token := os.Getenv("VAULT_TOKEN")',
    "go struct": 'type Config struct {\n\tPassword string `json:"password,omitempty"`\n\tAPIKey   string `yaml:"apiKey"`\n}',
    "rust environment": 'let api_key = std::env::var("API_KEY").expect("API_KEY must be set");',
    "rust field": "pub struct Auth { pub password: SecretString, pub token: Option<String> }",
    "java annotation": '@Value("${spring.datasource.password}") private String password;',
    "java getter": "String token = request.getHeader(HttpHeaders.AUTHORIZATION);",
    "csharp": 'var key = builder.Configuration["OpenAI:ApiKey"]; public string Password { get; set; }',
    "ruby": 'password = ENV.fetch("DB_PASSWORD")\ntoken = params[:token]',
    "php": "$password = $_POST['password']; $token = bin2hex(random_bytes(16));",
    "shell read": 'read -rs -p "Password: " PASSWORD; export PASSWORD',
    "shell command": "TOKEN=$(gh auth token)\nexport API_KEY=`pass show api/key`",
    "shell test": 'if [ -z "$API_KEY" ]; then echo "API_KEY is not set"; exit 1; fi',
    "powershell": "$secret = Read-Host -AsSecureString; $token = $env:TOKEN",
    "sql": "CREATE TABLE users (id INT PRIMARY KEY, password_hash VARCHAR(255) NOT NULL, token TEXT);",
    "sql query": "SELECT id FROM users WHERE password = ? AND token = :token AND api_key = $1",
    "sql user": "ALTER USER app WITH PASSWORD :'new_password';",
    "regular expression": r"re.compile(r'(?i)(password|api[_-]?key)\s*[:=]\s*(\S+)')",
    "pattern of a token": r"ghp_[A-Za-z0-9]{36} and sk-[a-zA-Z0-9]{48}",
    "css": ".token.keyword { color: #{h6} } .password-field::after { content: '\\2022' }",
    "makefile": "publish:\n\ttwine upload --username __token__ --password $(PYPI_TOKEN) dist/*",
    "dockerfile": "ARG API_KEY\nRUN --mount=type=secret,id=npm_token npm ci",
    "graphql": "mutation { login(user: $user, password: $password) { token refreshToken } }",
    "protobuf": "message Login { string user = 1; string password = 2; bytes api_key = 3; }",
}

_SETTINGS: Final[Mapping[str, str]] = {
    "kubernetes reference": "- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef:\n      name: my-db-secret\n      key: password",
    "kubernetes name": "secret_name: my-db-secret\nsecretName: tls-cert\nimagePullSecrets:\n- name: registry",
    "compose secrets": "secrets:\n  db_password:\n    file: ./db_password.txt",
    "github workflow": "permissions:\n  id-token: write\nenv:\n  NPM_TOKEN: ${{ secrets.NPM_TOKEN }}",
    "terraform variable": 'variable "db_password" {\n  type      = string\n  sensitive = true\n}',
    "terraform reference": 'password = var.db_password\napi_key  = data.vault_generic_secret.api.data["key"]',
    "input type": '<input type="password" name="password" autocomplete="current-password">',
    "input of a token": '<label for="token">Token</label><input id="token" name="token" placeholder="Token">',
    "type member": '{"type": "password", "name": "secret", "key": "value"}',
    "token counts": '{"total_tokens": 123, "prompt_tokens": 100, "completion_tokens": 23, "max_tokens": 4096}',
    "token settings": "max_tokens: 4096\nmax_new_tokens=256\ntokenizer=cl100k_base\npad_token: <|endoftext|>",
    "special tokens": '{"bos_token": "<s>", "eos_token": "</s>", "unk_token": "[UNK]"}',
    "logprobs": '{"token": " password", "logprob": -0.25, "bytes": [32, 112, 97, 115, 115]}',
    "token logprobs": '{"tokens": ["The", " secret", " is"], "token_logprobs": [-0.5, -1.25, -0.125]}',
    "token types": '"token_type": "Bearer", "expires_in": 3600, "token_endpoint": "https://login.example/oauth2/token"',
    "oauth metadata": '{"token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"]}',
    "openapi security": "securitySchemes:\n  ApiKeyAuth:\n    type: apiKey\n    in: header\n    name: X-API-Key",
    "www-authenticate": 'WWW-Authenticate: Bearer realm="api", error="invalid_token", error_description="expired"',
    "cors": "Access-Control-Allow-Headers: Authorization, X-Api-Key, X-CSRF-Token",
    "rate limits": "x-ratelimit-remaining-tokens: 149984\nanthropic-ratelimit-tokens-reset: 2026-11-20T10:00:00Z",
    "password policy": '{"password_min_length": 12, "password_policy": "strict", "passwordRequired": true}',
    "feature flags": "enable_api_key_auth=true\nuse_token_cache: false\nsecret_rotation_days: 90",
    "nginx": "proxy_set_header Authorization $http_authorization;\nssl_certificate_key /etc/ssl/private/site.key;",
    "ssh config": "Host build\n  IdentityFile ~/.ssh/id_ed25519\n  PasswordAuthentication no",
    "key files": "private_key_path: keys/server.pem\nkey_file=/etc/app/tls.key\ncredentials_file: ~/.aws/credentials",
    "public key": "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYI{b44}\n{b60}==\n-----END PUBLIC KEY-----",
    "certificate": "-----BEGIN CERTIFICATE-----\nMIIB{b60}\n{b64}\n{b40}==\n-----END CERTIFICATE-----",
    "ssh public key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{b43} ann@host",
    "rsa public key": "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ{b340} ann@host",
    "known hosts": "|1|{b27}=|{b27}= ecdsa-sha2-nistp256 AAAAE2VjZHNh{b100}=",
    "age recipient": "age1{c58}",
    "jwks": '{"kty": "RSA", "use": "sig", "kid": "{h16}", "n": "{w342}", "e": "AQAB"}',
    "dkim": "v=DKIM1; k=rsa; p=MIGfMA0GCSqG{b200}",
}

_FILES: Final[Mapping[str, str]] = {
    "png": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA{b400}==",
    "image of anthropic": '{"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AAQSkZJRg{b400}=="}',
    "image of openai": '{"type": "image_url", "image_url": {"url": "data:image/webp;base64,UklGR{b300}="}}',
    "audio": '{"type": "input_audio", "input_audio": {"data": "UklGRiQAAABXQVZF{b300}", "format": "wav"}}',
    "embedding": '{"object": "embedding", "embedding": "{b500}=="}',
    "font": "src: url(data:font/woff2;base64,d09GMgABAAAAA{b200}) format('woff2')",
    "hex dump": "00000000  {h2} {h2} {h2} {h2} {h2} {h2} {h2} {h2}  |..token.|\n00000008  {h2} {h2} {h2} {h2}",
    "source map": "//# sourceMappingURL=data:application/json;base64,eyJ2ZXJzaW9uIjozLCJ{b120}",
    "minified": "!function(e,t){var n=e.key,r=t.token;return n.a(r.b,{password:!0,secret:void 0})}(a,b);",
    "long path": "/usr/lib/python3/site-packages/acme/security/token/password/reset_password_token_handler.py:128",
    "windows path": "C:\\Users\\ann\\AppData\\Local\\Programs\\secrets\\password_store\\token.json",
    "java package": "com.example.security.authentication.UsernamePasswordAuthenticationToken.getCredentials",
    "three dotted words": "eyJust.looking.around and application.properties.password",
    "csv": "id,token,password_set,key\n1,alpha,true,k1\n2,beta,false,k2",
    "table": "| name | secret? | token |\n| --- | --- | --- |\n| ann | no | none |",
    "log": "2026-11-20 10:00:00 INFO auth: token refreshed for user=ann key=profile status=200 session=started",
    "access log": '192.0.2.1 - ann [20/Nov/2026:10:00:00 +0000] "GET /token?grant=code&key=title HTTP/1.1" 200 512',
    "urls": "https://shop.example/rates?code=EUR&key=title&sort=price&token_type=all&q=password+reset",
    "youtube": "https://video.example/watch?v={w11}&list=PL{w32}&t=42s",
    "docs url": "https://docs.example/document/d/1{w43}/edit#gid=0",
    "doi": "https://doi.example/10.1000/xyz{d6}?auth=none",
    "search url": "https://search.example/?q=how+to+store+api+key&oq=api+key&sourceid=browser&ie=UTF-8",
    "git remote": "git@git.example:acme/shop.git (fetch)",
    "address with a user": "ssh://deploy@host.example:22/srv/repo",
    "e-mail in a query": "https://shop.example/login?user=ann@mail.example&next=/cart",
    "stack of javascript": "    at async verifyToken (/app/src/auth/token.ts:42:17)",
    "html entities": "&lt;password&gt; &amp;token=&quot;none&quot;",
    "jupyter": '{"cell_type": "code", "id": "{h8}", "outputs": [], "source": ["api_key = input()"]}',
}

_SCHEMA: Final = {
    "type": "function",
    "function": {
        "name": "create_user",
        "description": "Creates a user. The password must have 12 characters; the api_key is optional.",
        "parameters": {
            "type": "object",
            "properties": {
                "password": {"type": "string", "description": "The password of the user", "minLength": 12},
                "api_key": {"type": "string", "description": "An API key, sk-...", "default": ""},
                "token": {"type": ["string", "null"], "format": "password", "title": "Token"},
                "secret": {"$ref": "#/$defs/Secret"},
                "client_secret": {"type": "string", "enum": ["none", "generated", "rotating-monthly"]},
            },
            "required": ["password", "token", "client_secret"],
            "additionalProperties": False,
        },
    },
}
_REQUEST: Final = {
    "model": "gpt-5",
    "max_completion_tokens": 2048,
    "messages": [
        {"role": "system", "content": "Never print a password, an API key or a token. Answer in JSON."},
        {
            "role": "user",
            "content": "Explain what `password=` means in a connection string, and what a Bearer token is.",
        },
        {
            "role": "assistant",
            "content": "`password=` names the secret; `Authorization: Bearer <token>` carries a token.",
        },
    ],
    "tools": [_SCHEMA],
    "metadata": {"token_budget": "2048", "key": "support"},
}

CODE: Final[Mapping[str, str]] = {
    **_PYTHON,
    **_OTHERS,
    **_SETTINGS,
    **_FILES,
    "tool schema": json.dumps(_SCHEMA),
    "tool schema, indented": json.dumps(_SCHEMA, indent=2),
    "chat request": json.dumps(_REQUEST),
    "chat request in JSON": json.dumps({"body": json.dumps(_REQUEST)}),
}
