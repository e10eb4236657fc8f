"""Variables of a shell with which libraries would go elsewhere, read other files, or not start."""

_NOWHERE = "127.0.0.1"
_FILE = "/nonexistent/file"

#: Every variable of libpq. Source: PostgreSQL's documentation, "Environment Variables".
LIBPQ = {
    "PGHOST": "203.0.113.1",
    "PGHOSTADDR": "203.0.113.1",
    "PGPORT": "9",
    "PGDATABASE": "elsewhere",
    "PGUSER": "stranger",
    "PGPASSWORD": "wrong",
    "PGPASSFILE": _FILE,
    "PGCHANNELBINDING": "require",
    "PGSERVICE": "missing",
    "PGSERVICEFILE": _FILE,
    "PGOPTIONS": "-c default_transaction_read_only=on -c search_path=nowhere",
    "PGAPPNAME": "stranger",
    "PGSSLMODE": "verify-full",
    "PGREQUIRESSL": "1",
    "PGSSLNEGOTIATION": "direct",
    "PGSSLCOMPRESSION": "1",
    "PGSSLSNI": "0",
    "PGSSLCERT": _FILE,
    "PGSSLKEY": _FILE,
    "PGSSLCERTMODE": "require",
    "PGSSLROOTCERT": _FILE,
    "PGSSLCRL": _FILE,
    "PGSSLCRLDIR": _FILE,
    "PGREQUIREPEER": "nobody",
    "PGREQUIREAUTH": "gss",
    "PGSSLMINPROTOCOLVERSION": "TLSv1.3",
    "PGSSLMAXPROTOCOLVERSION": "TLSv1",
    "PGGSSENCMODE": "require",
    "PGKRBSRVNAME": "nobody",
    "PGGSSLIB": "nothing",
    "PGGSSDELEGATION": "1",
    "PGCONNECT_TIMEOUT": "1",
    "PGCLIENTENCODING": "SQL_ASCII",
    "PGTARGETSESSIONATTRS": "standby",
    "PGLOADBALANCEHOSTS": "random",
    "PGMINPROTOCOLVERSION": "3.2",
    "PGDATESTYLE": "German",
    "PGTZ": "Africa/Nairobi",
    "PGGEQO": "nonsense",
    "PGSYSCONFDIR": "/nonexistent",
    "PGLOCALEDIR": "/nonexistent",
    "PGDATA": "/nonexistent",
    "PG_COLOR": "always",
}
PROXIES = {
    name: "http://127.0.0.1:9"
    for proxy in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY")
    for name in (proxy, proxy.lower())
} | {"NO_PROXY": "example.org", "no_proxy": "example.org"}
TLS = {
    "SSL_CERT_FILE": _FILE,
    "SSL_CERT_DIR": _FILE,
    "REQUESTS_CA_BUNDLE": _FILE,
    "CURL_CA_BUNDLE": _FILE,
    "SSLKEYLOGFILE": _FILE,
    "OPENSSL_CONF": _FILE,
    "OPENSSL_MODULES": _FILE,
    "NETRC": _FILE,
}
CELERY = {
    "CELERY_BROKER_URL": "redis://127.0.0.1:9/0",
    "CELERY_BROKER_READ_URL": "redis://127.0.0.1:9/0",
    "CELERY_BROKER_WRITE_URL": "redis://127.0.0.1:9/0",
    "CELERY_RESULT_BACKEND": "redis://127.0.0.1:9/0",
    "CELERY_CONFIG_MODULE": "there_is_no_such_module",
    "CELERY_LOADER": "there_is_no_such_module:Loader",
    "CELERY_CUSTOM_WORKER_POOL": "there_is_no_such_module:Pool",
    "CELERY_TRACE_APP": "1",
    "CELERY_RDB_PORT": "nonsense",
    "C_FORCE_ROOT": "",
    "C_WNOCONF": "nonsense",
    "C_REMDEBUG": "1",
    "PICKLE_PROTOCOL": "nonsense",
    "EVENTLET_NOBLOCK": "nonsense",
    "AUTOSCALE_KEEPALIVE": "nonsense",
    "KOMBU_LOG_DEBUG": "1",
    "KOMBU_LOG_CONNECTION": "1",
    "KOMBU_LOG_CHANNEL": "1",
    "DJANGO_SETTINGS_MODULE": "there_is_no_such_module",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "REDIS_HOST": "203.0.113.1",
    "REDIS_PORT": "9",
    "REDIS_PASSWORD": "wrong",
    "REDISCLI_AUTH": "wrong",
}
OF_CHAINS = {
    "WEB3_PROVIDER_URI": "http://127.0.0.1:9",
    "WEB3_HTTP_PROVIDER_URI": "http://127.0.0.1:9",
    "WEB3_INFURA_PROJECT_ID": "0",
    "ETH_HASH_BACKEND": "there-is-no-such-backend",
    "ETH_RPC_URL": "http://127.0.0.1:9",
    "ANVIL_IP_ADDR": "203.0.113.1",
    "RPC_PROVIDER": "http://127.0.0.1:9",
}
#: Of Python itself, which the command reads before it can do anything; those that would end it are not among them.
PYTHON = {
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "1",
    "PYTHONIOENCODING": "ascii",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONHASHSEED": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONBREAKPOINT": "there_is_no_such_module",
    "PYTHONASYNCIODEBUG": "1",
    "LC_ALL": "C",
    "LANG": "C",
    "LANGUAGE": "xx",
}
HOSTILE_SHELL = LIBPQ | PROXIES | TLS | CELERY | OF_CHAINS | PYTHON
