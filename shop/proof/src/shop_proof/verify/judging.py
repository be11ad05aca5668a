"""Shows all the evidence to all the promises."""

from collections.abc import AsyncIterator, Sequence

from shop_proof.verify import events, records
from shop_proof.verify.evidence import Books, Case, cases
from shop_proof.verify.promises import Promise, Scene, Verdict, all_promises
from shop_proof.verify.records import AT_ONCE, Databases, KeptAnswer, in_parts
from shop_proof.verify.testimony import Testimony, read_order


async def judge(databases: Databases, testimony: Testimony, scene: Scene) -> list[Verdict]:
    """The verdicts of all promises on what is there now. Raises `DatabaseError` and `RecordUnreadable`."""
    promises = all_promises(scene)
    for promise in promises:
        promise.see_testimony(testimony)
    await _show_products_and_orders(promises, databases, testimony)
    await _show_keys(promises, databases, testimony)
    await _show_users(promises, databases, testimony)
    await _show_events(promises, databases)
    return [promise.verdict() for promise in promises]


async def _show_products_and_orders(promises: Sequence[Promise], databases: Databases, testimony: Testimony) -> None:
    books = await _books(databases, testimony)
    async for case in _all_cases(databases, testimony):
        books.enter_case(case)
        for promise in promises:
            promise.see_case(case)
    for book in books.by_product.values():
        for promise in promises:
            promise.see_book(book)


async def _books(databases: Databases, testimony: Testimony) -> Books:
    books = Books()
    async for article in records.articles(databases.products):
        books.of(article.id).article = article
    async for move in records.moves(databases.products):
        books.of(move.product_id).enter(move)
    for product in testimony.new_products:
        books.of(product.id)
    return books


async def _all_cases(databases: Databases, testimony: Testimony) -> AsyncIterator[Case]:
    """Every order's id that anybody knows of: the databases, and then the clients alone."""
    only_told = set(testimony.sightings)
    joined = cases(
        records.orders(databases.orders),
        records.holds(databases.products),
        records.moves_by_order(databases.products),
    )
    async for case in joined:
        only_told.discard(case.order_id)
        yield case.with_words(testimony.sightings.get(case.order_id, ()), testimony.misses.get(case.order_id, ()))
    for order_id in sorted(only_told):
        yield Case(order_id, None, None, ()).with_words(testimony.sightings[order_id], ())


async def _show_keys(promises: Sequence[Promise], databases: Databases, testimony: Testimony) -> None:
    kept_for: dict[tuple[str, str], KeptAnswer] = {}
    async for some in in_parts(records.kept_answers(databases.orders)):
        told = [read_order(kept.answer.decode(errors="replace")) for kept in some]
        orders = await records.orders_named(databases.orders, [order.id for order in told if order])
        for kept, order in zip(some, told, strict=True):
            if (kept.user_id, kept.key) in testimony.placings:
                kept_for[kept.user_id, kept.key] = kept
            for promise in promises:
                promise.see_kept_answer(kept, order, orders.get(order.id) if order else None)
    for key, placing in testimony.placings.items():
        for promise in promises:
            promise.see_placing(placing, kept_for.get(key))


async def _show_users(promises: Sequence[Promise], databases: Databases, testimony: Testimony) -> None:
    for start in range(0, len(testimony.users), AT_ONCE):
        some = testimony.users[start : start + AT_ONCE]
        accounts = await records.accounts_named(databases.users, [user.id for user in some])
        for user in some:
            for promise in promises:
                promise.see_user(user, accounts.get(user.id))


async def _show_events(promises: Sequence[Promise], databases: Databases) -> None:
    async for event in events.sent(databases):
        for promise in promises:
            promise.see_event(event)
    async for letter in events.dead_letters(databases):
        for promise in promises:
            promise.see_dead_letter(letter)
