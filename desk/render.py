"""Renders the screens: templates in the reader's language, dates in the library's time zone, headers of a page.

Templates are in templates/; base.html is the shell of every screen, parts.html has shared macros.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time, format_timedelta
from babel.numbers import format_decimal
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from api.call import Call
from desk import assets
from domain.access import Verb, may
from domain.refusals import FieldError
from domain.values import normalize_typed_day
from web.problems import best_language, languages, translations
from web.subpath import base_of, rooted_page

LANGUAGES = ("en", "nl", "de")
LOCALES = {"en": "en_GB"}
"""Languages whose dates and numbers are not those of the default region."""
TYPED_DAYS = {"en": "%d/%m/%Y", "nl": "%d-%m-%Y", "de": "%d.%m.%Y"}
"""How staff type a day in each language; domain/values.py parses all three."""
TEMPLATES = Path(__file__).parent / "templates"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self';"
    " font-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types dossier"
)
HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store", "Vary": "Accept-Language, Cookie"}
# The reserved characters of RFC 3986, and % of text that is already escaped.
ADDRESS_CHARACTERS = "%/?#[]@:!$&'()*+,;=~"
SIZES = ((1024**3, "GB"), (1024**2, "MB"), (1024, "KB"))


def show(call: Call, template: str, *, status: int = 200, **context: Any) -> None:
    """Answers with a page. `context` holds the template's variables; `shell` adds those of base.html."""
    call.resp.status = status
    call.resp.content_type = "text/html; charset=utf-8"
    call.resp.set_headers({**HEADERS, "Content-Language": call.language})
    call.resp.data = page(call, template, **context).encode()


def page(call: Call, template: str, **context: Any) -> str:
    html = environment(call.language).get_template(template).render({**shell(call), **context})
    return rooted_page(html, base_of(call.req.scope))


def go(call: Call, path: str, **query: str | None) -> None:
    """Redirects (303) to another page; a query value of None is left out.

    `path` is escaped for the header, because libraries choose the ids of customers.
    """
    call.resp.status = 303
    call.resp.set_header("Location", address(quote(path, safe=ADDRESS_CHARACTERS), query))


def shell(call: Call) -> dict[str, Any]:
    """The variables of base.html. `user` is None until a one-time password has been changed."""
    principal = None if call.session and call.session.must_change else call.principal_
    return {
        "language": call.language,
        "locale": LOCALES.get(call.language, call.language),
        "languages": LANGUAGES,
        "zone": call.parts.zone,
        "institution": call.parts.institution,
        "now": call.parts.archive.clock.now(),
        "today": call.parts.archive.clock.today(),
        "user": principal.name if principal else None,
        "session": call.session,
        "branch": branch_of(call) if principal else None,
        "allowed": partial(may_use, call),
        "here": "/" + call.req.path.lstrip("/"),  # a link to //host would leave this host
        "query": call.req.params,
        "trace_id": call.trace_id,
        "limits": call.parts.limits,
    }


def branch_of(call: Call) -> str:
    """The branch of the call; the default one on a page that reports an invalid branch."""
    try:
        return call.branch()
    except FieldError:
        return call.parts.branch


def may_use(call: Call, verb: str) -> bool:
    """True if the reader's role has the verb; pages show no other buttons."""
    return call.principal_ is not None and may(call.principal_, Verb(verb))


def language_of(call: Call) -> str:
    """The language of a page: the user's setting, else the address, else the browser's preference."""
    if call.session is not None and call.session.language is not None:
        return call.session.language
    asked = call.req.params.get("lang")
    if isinstance(asked, str) and asked in languages():
        return asked
    return best_language(call.req.get_header("Accept-Language"))


# -- templates ------------------------------------------------------------------------------------------------------


@cache
def environment(language: str) -> Environment:
    """The templates in one language. An undefined variable is an error, not an empty string."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {"_": sentences(language), "asset": assets.address, "address": address, "drawn": draw_icon}
    made.filters |= {
        "day": day,
        "moment": moment,
        "long_day": long_day,
        "later": later,
        "typed_day": partial(day_for_field, language=language),
        "read_day": day_for_reading,
        "clock": clock,
        "second": second,
        "ago": ago,
        "digest": digest,
        "size": partial(size, language=language),
        "number": partial(number, language=language),
        "code": group_code,
        "iban": group_iban,
    }
    return made


def address(path: str, query: Mapping[str, Any] | None = None, /, **changes: Any) -> str:
    """A path with a query and changes to it; None removes a parameter."""
    kept = {name: value for name, value in {**(query or {}), **changes}.items() if value is not None}
    return f"{path}?{urlencode(kept, doseq=True)}" if kept else path


def sentences(language: str) -> Callable[..., Markup]:
    """The function `_` of templates. Sentences without values are cached, because a page has about 200."""
    gettext = translations(language).gettext

    @cache
    def fixed(sentence: str) -> Markup:
        return Markup(gettext(sentence)) % {}

    def say(sentence: str, **values: Any) -> Markup:
        return Markup(gettext(sentence)) % values if values else fixed(sentence)

    return say


@cache
def draw_icon(name: str) -> Markup:
    """An icon of the sprite, hidden from screen readers: a word is always beside it."""
    picture = f"{assets.address('icons.svg')}#{name}"
    return Markup('<svg class="i" aria-hidden="true"><use href="{}"/></svg>').format(picture)


@pass_context
def day(context: Context, value: str | date) -> str:
    """24 Nov 2026; the day of a moment is that of the library's time zone."""
    return day_text(value, context["zone"], context["locale"])


@pass_context
def clock(context: Context, value: str | datetime) -> str:
    """14:05, in the library's time zone."""
    return clock_text(value, context["zone"], context["locale"])


# A list row has three dates, most of them equal to those of the row before.
@lru_cache(maxsize=4_000)
def day_text(value: str | date, zone: ZoneInfo, locale: str) -> str:
    at = local(value, zone)
    return format_date(at.date() if isinstance(at, datetime) else at, "medium", locale=locale)


@lru_cache(maxsize=4_000)
def clock_text(value: str | datetime, zone: ZoneInfo, locale: str) -> str:
    at = local(value, zone)
    return format_time(at.time() if isinstance(at, datetime) else time(), "HH:mm", locale=locale)


@pass_context
def second(context: Context, value: str | datetime) -> str:
    """14:05:12, in the library's time zone."""
    at = local(value, context["zone"])
    return format_time(at.time() if isinstance(at, datetime) else time(), "HH:mm:ss", locale=context["locale"])


@pass_context
def moment(context: Context, value: str | datetime) -> str:
    return f"{day(context, value)}, {clock(context, value)}"


@pass_context
def long_day(context: Context, value: date) -> str:
    """Tuesday 24 November 2026."""
    return format_date(value, "full", locale=context["locale"])


@pass_context
def ago(context: Context, value: str) -> str:
    """20 seconds ago; a moment ahead of this clock counts as now."""
    passed = context["now"] - parse_day(value)
    return format_timedelta(-max(passed, timedelta()), add_direction=True, locale=context["locale"])


def format_typed(value: str | None, write: Callable[[date], str]) -> str:
    """A typed day, written by `write`; text that is no day stays unchanged."""
    try:
        return write(date.fromisoformat(normalize_typed_day(value or "")))
    except ValueError:
        return value or ""


def day_for_field(value: str | None, *, language: str) -> str:
    """24-11-2026: a typed day in the format of a field in that language."""
    return format_typed(value, lambda typed: typed.strftime(TYPED_DAYS[language]))


@pass_context
def day_for_reading(context: Context, value: str | None) -> str:
    """2 Jan 2026: a typed day in the format of texts."""
    return format_typed(value, partial(day, context))


def digest(text: str) -> str:
    """9f2c 41d7 … e08b 5a13: enough of a digest to compare by eye."""
    return f"{text[:4]} {text[4:8]} … {text[-8:-4]} {text[-4:]}"


def later(value: str, by: timedelta) -> str:
    return (datetime.fromisoformat(value) + by).isoformat()


def local(value: str | date, zone: ZoneInfo) -> date:
    at = value if isinstance(value, date) else parse_day(value)
    return at.astimezone(zone) if isinstance(at, datetime) else at


def parse_day(text: str) -> date:
    return date.fromisoformat(text) if len(text) == len("2026-11-24") else datetime.fromisoformat(text)


def size(count: int, *, language: str) -> str:
    """1.2 MB; an MB has 1,024 KB, as in the limits."""
    for unit, name in SIZES:
        if count >= unit:
            return f"{format_decimal(round(count / unit, 1), locale=language)} {name}"
    return f"{count} B"


def number(count: int, *, language: str) -> str:
    return str(format_decimal(count, locale=language))


def group_code(code: str) -> str:
    """A scan code as it is printed: DA 4827 1903 6651 44."""
    head, rest = (code[:2], code[2:]) if code[:2].isalpha() else ("", code)
    return " ".join([*([head] if head else []), *(rest[at : at + 4] for at in range(0, len(rest), 4))])


def group_iban(iban: str) -> str:
    return " ".join(iban[at : at + 4] for at in range(0, len(iban), 4))
