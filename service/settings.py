"""Settings: from the environment, then one TOML file (DOSSIER_CONFIG), then defaults. service/wiring.py uses them."""

import math
import re
import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from domain.access import Role
from domain.iban import parse_creditor_id
from domain.limits import Limits
from domain.refusals import FieldError
from domain.values import parse_branch_code
from service.limit_meanings import MEANINGS

SUB_PATH = re.compile(r"(?:/[A-Za-z0-9][A-Za-z0-9._~-]*)+")
OTHER_NAMES = ("DOSSIER_CONFIG", "DOSSIER_LONG", "DOSSIER_OPERATIONS_DATABASE")
LIMIT_NAMES = {"upload_bytes_max": "DOSSIER_MAX_UPLOAD_BYTES"}


class SettingsError(Exception):
    """A setting cannot be used; the message names it and says which values it accepts."""


class Setting(msgspec.Struct, frozen=True):
    """One setting: name in the environment, parser, default, meaning, and whether it is secret."""

    name: str
    parse: Callable[[str], Any]
    default: Any
    meaning: str
    secret: bool = False


def _parse_port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError
    return port


def _parse_positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError
    return number


def _parse_not_negative(text: str) -> int:
    if (number := int(text)) < 0:
        raise ValueError
    return number


def _parse_yes_or_no(text: str) -> bool:
    return ("no", "yes").index(text) == 1


def _parse_words(text: str) -> tuple[str, ...]:
    return tuple(w.strip() for w in text.split(",") if w.strip())


def _parse_networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(word) for word in _parse_words(text))


def _parse_issuer(text: str) -> str:
    """HTTPS, or HTTP on this machine."""
    parts = urlsplit(text)
    plain = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not (parts.scheme == "https" or plain) or not parts.hostname or parts.query or parts.fragment:
        raise ValueError
    return text


def _parse_public_url(text: str) -> str:
    """http(s)://HOST with an optional sub-path; a slash at the end is removed."""
    parts = urlsplit(text)
    path = parts.path.rstrip("/")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError
    if path and not SUB_PATH.fullmatch(path):
        raise ValueError
    return f"{parts.scheme}://{parts.netloc}{path}"


def _parse_database_url(text: str) -> str:
    """A postgresql:// address, or libpq's NAME=VALUE words."""
    if not text.startswith(("postgresql://", "postgres://")) and ("://" in text or "=" not in text):
        raise ValueError
    return text


def _parse_zone(text: str) -> str:
    return ZoneInfo(text).key


SETTINGS = {
    "home": Setting("DOSSIER_HOME", Path, Path(".dossier"), "data folder: database, content, keys, tokens"),
    "host": Setting("DOSSIER_HOST", str, "127.0.0.1", "address the web server listens on"),
    "port": Setting("DOSSIER_PORT", _parse_port, 8080, "port the web server listens on"),
    "hosts": Setting(
        "DOSSIER_HOSTS", _parse_words, (), "host names that requests may name, comma separated; empty: any"
    ),
    "public_url": Setting(
        "DOSSIER_PUBLIC_URL",
        _parse_public_url,
        None,
        "address of the archive for browsers behind a proxy, with its sub-path: https://library.example/archive",
    ),
    "trusted_proxies": Setting(
        "DOSSIER_TRUSTED_PROXIES",
        _parse_networks,
        (ip_network("127.0.0.1"), ip_network("::1")),
        "reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are trusted: addresses or networks",
    ),
    "database_url": Setting(
        "DOSSIER_DATABASE_URL",
        _parse_database_url,
        None,
        "a Postgres server instead of the embedded one: postgresql://LOGIN:PASSWORD@HOST/DATABASE",
        secret=True,
    ),
    "database_owner_url": Setting(
        "DOSSIER_DATABASE_OWNER_URL",
        _parse_database_url,
        None,
        "login that owns the schema, for migrations: postgresql://…",
        secret=True,
    ),
    "database_projector_url": Setting(
        "DOSSIER_DATABASE_PROJECTOR_URL",
        _parse_database_url,
        None,
        "login that owns the views, for the projector",
        secret=True,
    ),
    "content_url": Setting("DOSSIER_CONTENT_URL", str, None, "content folder: file:///…; default HOME/content"),
    "page_image_cache_bytes": Setting(
        "DOSSIER_PAGE_IMAGE_CACHE_BYTES",
        _parse_not_negative,
        2 * 1024 * 1024 * 1024,
        "disk space for cached page images, sealed in HOME/page-images; 0: none are kept",
    ),
    "workers": Setting("DOSSIER_WORKERS", _parse_positive, 2, "web worker processes"),
    "metrics_port": Setting(
        "DOSSIER_METRICS_PORT", _parse_port, None, "separate port of /metrics; none: main port, operators only"
    ),
    "institution": Setting("DOSSIER_INSTITUTION", str, "Library", "name of the library"),
    "branch": Setting("DOSSIER_BRANCH", parse_branch_code, "MAIN", "branch of callers that name none"),
    "export_names": Setting(
        "DOSSIER_EXPORT_NAMES",
        _parse_yes_or_no,
        False,
        "yes: exports of a person name staff; no: only their roles",
    ),
    "creditor_id": Setting(
        "DOSSIER_CREDITOR_ID", parse_creditor_id, None, "the library's own SEPA creditor identifier"
    ),
    "timezone": Setting(
        "DOSSIER_TIMEZONE", _parse_zone, "Europe/Amsterdam", "time zone in which a day begins and ends"
    ),
    "scanners": Setting(
        "DOSSIER_SCANNERS", _parse_words, (), "SANE names of the scanners that serve's own station offers, or simulated"
    ),
    "scanner_names": Setting(
        "DOSSIER_SCANNER_NAMES",
        _parse_words,
        (),
        "names of the scanners at the desks: DEVICE=NAME, such as test:0=Front desk",
    ),
    "scan_profiles": Setting(
        "DOSSIER_SCAN_PROFILES",
        _parse_words,
        (),
        "changes of scan profiles: letter.resolution_dpi=200, SCANNER/photo.mode=gray",
    ),
    "oidc_issuer": Setting(
        "DOSSIER_OIDC_ISSUER",
        _parse_issuer,
        None,
        "issuer of the library's own identity provider (extra oidc)",
    ),
    "oidc_client_id": Setting("DOSSIER_OIDC_CLIENT_ID", str, None, "client id of the archive at the provider"),
    "oidc_client_secret": Setting(
        "DOSSIER_OIDC_CLIENT_SECRET", str, None, "client secret of the archive at the provider", secret=True
    ),
    "oidc_claim": Setting(
        "DOSSIER_OIDC_CLAIM",
        str,
        "preferred_username",
        "claim of the provider with the display name of a person",
    ),
    "oidc_role": Setting(
        "DOSSIER_OIDC_ROLE", Role, None, "role of persons who are bound to no user; none: only bound users sign in"
    ),
    "extras": Setting("DOSSIER_EXTRAS", _parse_words, (), "optional packages that ./run installs: scanner, oidc"),
}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    home: Path
    host: str
    port: int
    hosts: tuple[str, ...]
    public_url: str | None
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
    database_url: str | None
    database_owner_url: str | None
    database_projector_url: str | None
    content_url: str | None
    page_image_cache_bytes: int
    workers: int
    metrics_port: int | None
    institution: str
    branch: str
    export_names: bool
    creditor_id: str | None
    timezone: str
    scanners: tuple[str, ...]
    scanner_names: tuple[str, ...]
    scan_profiles: tuple[str, ...]
    oidc_issuer: str | None
    oidc_client_id: str | None
    oidc_client_secret: str | None
    oidc_claim: str
    oidc_role: Role | None
    extras: tuple[str, ...]
    limits: Limits
    origins: dict[str, str]

    @property
    def content_directory(self) -> Path:
        return parse_content_url(self.content_url) or self.home / "content"

    @property
    def base(self) -> str:
        """The sub-path of DOSSIER_PUBLIC_URL; "" without one."""
        return urlsplit(self.public_url).path if self.public_url else ""


def parse_content_url(url: str | None) -> Path | None:
    """The folder that DOSSIER_CONTENT_URL names; None for the default. Raises SettingsError."""
    if url is None:
        return None
    parts = urlsplit(url)
    plain = parts.netloc in ("", "localhost") and not parts.query and not parts.fragment
    if parts.scheme != "file" or not plain or not parts.path.strip("/") or not parts.path.startswith("/"):
        raise SettingsError("DOSSIER_CONTENT_URL: must be file:///path")
    return Path(unquote(parts.path))


def find_clash(values: Mapping[str, Any]) -> tuple[str, str] | None:
    """The first setting that conflicts with another one, and why; `values` by field."""
    for name in ("database_owner_url", "database_projector_url"):
        if values[name] is not None and values["database_url"] is None:
            return SETTINGS[name].name, "needs DOSSIER_DATABASE_URL, the login that serves the same database"
    if values["oidc_issuer"] is not None and None in (values["oidc_client_id"], values["oidc_client_secret"]):
        return "DOSSIER_OIDC_ISSUER", "needs DOSSIER_OIDC_CLIENT_ID and DOSSIER_OIDC_CLIENT_SECRET"
    if values["oidc_role"] is Role.OPERATOR:
        return "DOSSIER_OIDC_ROLE", "must not be operator; `dossier users bind` gives that role to single persons"
    if values["metrics_port"] is not None and values["metrics_port"] == values["port"] != 0:
        return "DOSSIER_METRICS_PORT", "must differ from DOSSIER_PORT"
    return None


def load_settings_from(environ: Mapping[str, str]) -> Settings:
    """Load and check all settings. Raises SettingsError for a value that cannot be used and for an unknown name in
    the file."""
    file = _load_file(environ)
    origins: dict[str, str] = {}
    values = {field: _value_of(s, environ, file, origins) for field, s in SETTINGS.items()}
    limits = {field: _value_of(s, environ, file, origins) for field, s in limit_settings().items()}
    known = {s.name for s in all_settings()}
    if unknown := [n for n in file if n not in known]:
        raise SettingsError(f"{environ['DOSSIER_CONFIG']}: there is no setting {', '.join(sorted(unknown))}")
    if clashing := find_clash(values):
        raise SettingsError(": ".join(clashing))
    parse_content_url(values["content_url"])
    values["home"] = values["home"].absolute()
    return Settings(**values, limits=Limits(**limits), origins=origins)


def describe_unknown_names(environ: Mapping[str, str]) -> list[str]:
    """A warning for each name in the environment that begins with DOSSIER_ and is not a setting."""
    known = [setting.name for setting in all_settings()]
    found = sorted(n for n in environ if n.startswith("DOSSIER_") and n not in known and n not in OTHER_NAMES)
    return [f"{name} is ignored: there is no such setting{_suggest_name(name, known)}" for name in found]


def _suggest_name(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, 1)
    return f"; did you mean {near[0]}?" if near else ""


def limit_settings() -> dict[str, Setting]:
    """The limits of domain/limits.py as settings, named DOSSIER_ and the field in capitals."""
    defaults = Limits()
    return {f: _build_limit_setting(f, getattr(defaults, f)) for f in Limits.__struct_fields__}


MAY_BE_NONE = ("ballast_bytes",)


def _build_limit_setting(field: str, default: float) -> Setting:
    def parse_number(text: str) -> float:
        number = type(default)(text)
        if not 0 <= number < math.inf or (number == 0 and field not in MAY_BE_NONE):
            raise ValueError
        return number

    name = LIMIT_NAMES.get(field, f"DOSSIER_{field.upper()}")
    return Setting(name, parse_number, default, MEANINGS[field])


def all_settings() -> list[Setting]:
    return [*SETTINGS.values(), *limit_settings().values()]


def _load_file(environ: Mapping[str, str]) -> dict[str, Any]:
    path = environ.get("DOSSIER_CONFIG")
    if not path:
        return {}
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"DOSSIER_CONFIG {path}: {error}") from error


def _text_of(value: Any) -> str:
    """A value of the file as text of the environment; lists are joined with commas."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _value_of(setting: Setting, environ: Mapping[str, str], file: Mapping[str, Any], origins: dict[str, str]) -> Any:
    if environ.get(setting.name):
        text, origin = environ[setting.name], "environment"
    elif setting.name in file:
        text, origin = _text_of(file[setting.name]), "file"
    else:
        origins[setting.name] = "default"
        return setting.default
    origins[setting.name] = origin
    try:
        return setting.parse(text)
    except (ValueError, ZoneInfoNotFoundError, FieldError) as error:
        shown = "its value" if setting.secret else repr(text)
        raise SettingsError(f"{setting.name}: {shown} cannot be used ({setting.meaning})") from error


class CheckedSetting(msgspec.Struct, frozen=True):
    """A setting in the output of `dossier config check`. `wrong` says why its value cannot be used, None when it
    can."""

    name: str
    value: str
    origin: str
    wrong: str | None


def check_settings(environ: Mapping[str, str]) -> list[CheckedSetting]:
    """Every setting, valid or not, secrets masked. Raises SettingsError when the file cannot be read."""
    file = _load_file(environ)
    known = {s.name: s for s in all_settings()}
    unknown = [
        CheckedSetting(name, "", "file", "there is no such setting") for name in sorted(file.keys() - known.keys())
    ]
    found = [*(_check_setting(s, environ, file) for s in known.values()), *unknown]
    return found if any(setting.wrong for setting in found) else _add_clash(found, environ, file)


def _add_clash(
    found: list[CheckedSetting], environ: Mapping[str, str], file: Mapping[str, Any]
) -> list[CheckedSetting]:
    name, why = find_clash({field: _value_of(s, environ, file, {}) for field, s in SETTINGS.items()}) or ("", None)
    return [msgspec.structs.replace(setting, wrong=why) if setting.name == name else setting for setting in found]


def _check_setting(setting: Setting, environ: Mapping[str, str], file: Mapping[str, Any]) -> CheckedSetting:
    origins: dict[str, str] = {}
    try:
        value = _value_of(setting, environ, file, origins)
        if setting.name == "DOSSIER_CONTENT_URL":
            parse_content_url(value)
    except SettingsError as error:
        return CheckedSetting(setting.name, "", origins[setting.name], str(error).removeprefix(f"{setting.name}: "))
    return CheckedSetting(setting.name, _display_of(setting, value), origins[setting.name], None)


def _display_of(setting: Setting, value: Any) -> str:
    if value is None:
        return ""
    if setting.secret:
        return mask_address(value) if setting.name.endswith("_URL") else "***"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def mask_address(address: str) -> str:
    """A database address with its secrets masked, split into parts by libpq's rules."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    try:
        parts = conninfo_to_dict(address)
    except ProgrammingError:
        return "***"
    return make_conninfo(**{name: "***" if "pass" in name else str(value) for name, value in parts.items()})
