"""Who comes to the shop and what they do there, decided by a seed alone."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vedette.demo.goods import CATEGORIES, HOSTILE_TEXTS, PRODUCTS, SEARCHES, USERS, User

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vedette.demo.timetable import Timetable

__all__ = ["JOURNEYS", "Step", "Visit", "visits"]

_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Mobile Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/138.0.0.0 Safari/537.36",
    "kettle-price-bot/2.3 (+https://bot.example.invalid)",
)
_HOSTILE_SHARE = 0.04
_WRONG_PASSWORD_SHARE = 0.15


@dataclass(frozen=True)
class Step:
    """One request, sent `pause` seconds after the answer to the one before."""

    method: str
    path: str
    pause: float
    params: tuple[tuple[str, str], ...] = ()
    body: tuple[tuple[str, Any], ...] | None = None


@dataclass(frozen=True)
class Visit:
    """One session of one user, beginning at `at` seconds after the shop opened."""

    at: float
    user: User
    session_id: str
    agent: str
    journey: str
    steps: tuple[Step, ...]


def _pause(rng: random.Random) -> float:
    return round(min(rng.lognormvariate(0.3, 0.7), 12.0), 3)


def _chance(rng: random.Random, share: float) -> bool:
    return rng.random() < share


def _get(rng: random.Random, path: str, **params: str) -> Step:
    return Step("GET", path, _pause(rng), params=tuple(params.items()))


def _post(rng: random.Random, path: str, **body: Any) -> Step:  # noqa: ANN401 - a JSON value is anything
    return Step("POST", path, _pause(rng), body=tuple(body.items()))


def _browse(rng: random.Random, _user: User) -> Iterator[Step]:
    yield _get(rng, "/")
    yield _get(rng, "/products", category=rng.choice(CATEGORIES))
    for product in rng.sample(PRODUCTS, rng.randint(1, 3)):
        yield _get(rng, f"/products/{product.sku}")
    if _chance(rng, 0.05):  # a stale link
        yield _get(rng, f"/products/OLD-{rng.randrange(1000):03d}")


def _search(rng: random.Random, _user: User) -> Iterator[Step]:
    for _ in range(rng.randint(1, 3)):
        text = rng.choice(HOSTILE_TEXTS) if _chance(rng, _HOSTILE_SHARE * 2) else rng.choice(SEARCHES)
        yield _get(rng, "/search", q=text)
    yield _get(rng, f"/products/{rng.choice(PRODUCTS).sku}")


def _log_in(rng: random.Random, user: User) -> Iterator[Step]:
    if _chance(rng, _WRONG_PASSWORD_SHARE):
        yield _post(rng, "/login", email=user.email, password="guess")  # noqa: S106 - it has to be wrong
    yield _post(rng, "/login", email=user.email, password=f"pw-{user.user_id}")


def _fill_cart(rng: random.Random, user: User) -> Iterator[Step]:
    yield _get(rng, "/products", category=rng.choice(CATEGORIES))
    for product in rng.sample(PRODUCTS, rng.randint(1, 4)):
        yield _get(rng, f"/products/{product.sku}")
        yield _post(rng, "/cart/items", sku=product.sku, quantity=rng.choice((1, 1, 1, 2, 6)))
    if _chance(rng, 0.3):
        yield from _log_in(rng, user)


def _buy(rng: random.Random, user: User) -> Iterator[Step]:
    yield from _log_in(rng, user)
    for product in rng.sample(PRODUCTS, rng.randint(1, 3)):
        yield _post(rng, "/cart/items", sku=product.sku, quantity=rng.choice((1, 1, 2)))
    note = rng.choice(HOSTILE_TEXTS) if _chance(rng, _HOSTILE_SHARE) else rng.choice(("", "", "leave at the door"))
    method = rng.choices(("card", "invoice", "wallet"), (7, 1, 2))[0]
    yield _post(rng, "/checkout", method=method, note=note)
    if _chance(rng, 0.5):
        yield _get(rng, "/orders")


def _report(rng: random.Random, _user: User) -> Iterator[Step]:
    yield _get(rng, "/admin/report", days=str(rng.choice((1, 7, 30))))


JOURNEYS = {
    "browse": (_browse, 30),
    "search": (_search, 22),
    "fill cart": (_fill_cart, 12),
    "buy": (_buy, 30),
    "report": (_report, 6),
}


def _draw(rng: random.Random, at: float) -> Visit:
    journey = rng.choices(list(JOURNEYS), [weight for _, weight in JOURNEYS.values()])[0]
    user = rng.choice(USERS)
    steps = tuple(JOURNEYS[journey][0](rng, user))
    agent = rng.choices(_AGENTS, (4, 3, 5, 1))[0]
    return Visit(at, user, f"{rng.getrandbits(64):016x}", agent, journey, steps)


def _mean_steps() -> float:
    rng = random.Random("mean number of steps")
    return sum(len(_draw(rng, 0.0).steps) for _ in range(400)) / 400


def visits(timetable: Timetable, rate: float) -> Iterator[Visit]:
    """All visits for one seed, without end, in the order of their beginning.

    `rate` is the mean number of requests per second over a whole day; arrivals are a Poisson process thinned by the
    timetable's demand.
    """
    rng = random.Random(f"visits {timetable.seed}")
    most = 2.0  # above the timetable's highest demand
    per_second = rate / _mean_steps()
    at = 0.0
    while True:
        at += rng.expovariate(per_second * most)
        if rng.random() * most < timetable.demand(at):
            yield _draw(rng, round(at, 3))
