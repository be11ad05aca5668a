"""Promises 1 to 12, and 16, each held against the evidence by itself."""

from collections.abc import Callable, Sequence

from shop_proof.verify.promises.all_lines_or_none import AllLinesOrNone
from shop_proof.verify.promises.answered_means_durable import AnsweredMeansDurable
from shop_proof.verify.promises.conservation import Conservation
from shop_proof.verify.promises.exact_prices import ExactPrices
from shop_proof.verify.promises.legal_moves import LegalMoves
from shop_proof.verify.promises.never_negative import NeverNegative
from shop_proof.verify.promises.no_event_lost import NoEventLost
from shop_proof.verify.promises.no_leak import NoLeak
from shop_proof.verify.promises.no_oversell import NoOversell
from shop_proof.verify.promises.nothing_pending import NothingPending
from shop_proof.verify.promises.one_key_one_effect import OneKeyOneEffect
from shop_proof.verify.promises.promise import Outcome, Promise, Scene, Verdict
from shop_proof.verify.promises.restart_changes_nothing import RestartChangesNothing
from shop_proof.verify.promises.whole_or_not_at_all import WholeOrNotAtAll

__all__ = ["Outcome", "Promise", "Scene", "Verdict", "all_promises"]

_ALL: Sequence[Callable[[Scene], Promise]] = (
    Conservation,
    NeverNegative,
    NoOversell,
    NoLeak,
    AllLinesOrNone,
    ExactPrices,
    LegalMoves,
    NothingPending,
    AnsweredMeansDurable,
    WholeOrNotAtAll,
    OneKeyOneEffect,
    RestartChangesNothing,
    NoEventLost,
)


def all_promises(scene: Scene) -> list[Promise]:
    """All of them, which have seen nothing yet."""
    return [promise(scene) for promise in _ALL]
