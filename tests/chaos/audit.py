"""The audit after the chaos, from outside: transcripts, memory, ledger."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from math import inf

from tests.chaos import books, prompts
from tests.chaos.answers import answer, lines, tag_of, words
from tests.chaos.crowd import Asked, Crowd
from tests.chaos.scenes import Said, Scene
from tests.fakes.model import ModelRequest
from tests.records import PATH, Records

NOTICE = "Our conversation has grown long"
"""The sentence that tells a person of a summary."""
BROKE_OFF = "My answer broke off here"
Interval = tuple[float, float]
"""A beginning and an end, on the monotonic clock."""


@dataclass
class Verdict:
    """The broken promises, with the evidence of each."""

    asked: int = 0
    lost: int = 0
    cut: int = 0
    doubled: int = 0
    """Messages too many, but for those that no bot can prevent."""
    in_window: int = 0
    """Messages too many that were taken behind a network that told nothing of it."""
    ended: int = 0
    """Answers whose model kept breaking: they say so, and offer to try again."""
    swapped: int = 0
    memory: int = 0
    """Conversations that do not hold each exchange once and in order, or were not shown so."""
    drift: int = 0
    left: int = 0
    """Turns that are not done."""
    strange: int = 0
    """Messages that answer no question of their place, and violations of the platform's rules."""
    notes: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """True if every promise was kept."""
        free = ("asked", "ended", "in_window", "notes")
        return not any(getattr(self, each.name) for each in fields(self) if each.name not in free)

    def note(self, name: str, text: str) -> None:
        """Count a broken promise."""
        setattr(self, name, getattr(self, name) + 1)
        self.notes.append(f"{name}: {text}")

    def add(self, other: "Verdict") -> None:
        """Add the counts of another verdict."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


@dataclass(frozen=True)
class Auditor:
    """The comparison of the transcripts with the promises."""

    scene: Scene
    crowd: Crowd
    records: Records
    requests: Sequence[ModelRequest]
    """All that the model was asked."""
    kills: Sequence[float] = ()
    unheard: Sequence[Interval] = ()
    """The times at which a connection could break between a message and the platform's answer."""
    may_end: bool = False
    """The model broke so often that an answer may end with a sentence."""

    def audit(self) -> Verdict:
        """Look at everything."""
        verdict = Verdict(asked=len(self.crowd.asked))
        for place, asked in self.crowd.by_place().items():
            self._transcript(verdict, place, asked)
            whole = [each for each in asked if not self._ended(each)]
            self._memory(verdict, place, whole)
            if not self.scene.is_group(place):
                for line in prompts.faults(whole, self.requests):
                    verdict.note("memory", f"{place}: {line}")
        for line in books.faults(self.records, self.requests):
            verdict.note("drift", line)
        if not self.unheard:
            # Where connections break, the platform may see two that were one after the other.
            for line in self.scene.violations:
                verdict.note("strange", line)
        for row in self.records.all("SELECT id, outcome FROM turns WHERE delivered_at IS NULL"):
            verdict.note("left", str(row))
        return verdict

    def _transcript(self, verdict: Verdict, place: str, asked: Sequence[Asked]) -> None:
        messages: dict[str, list[Said]] = defaultdict(list)
        for said in self.scene.answers(place):
            messages[tag_of(said.text) or ""].append(said)
        for said in messages.pop("", []):
            if NOTICE not in said.text:
                verdict.note("strange", f"{place}: {said.text[:80]!r}")
        for tag in messages.keys() - {each.wish.tag for each in asked}:
            verdict.note("strange", f"{place}: an answer to {tag}, which was not asked here")
        chains = {
            each.wish.tag: self._answered(verdict, each, messages[each.wish.tag]) for each in asked
        }
        for who in self.scene.speakers(place):
            ours = [said for each in asked if each.who == who for said in chains[each.wish.tag]]
            for before, after in pairwise(ours):
                if int(before.message_id) > int(after.message_id):
                    verdict.note(
                        "swapped",
                        f"{place}, {who}: {before.text[:30]!r} is below {after.text[:30]!r}",
                    )

    def _answered(self, verdict: Verdict, asked: Asked, messages: list[Said]) -> list[Said]:
        """Judge the messages of one answer; those it consists of."""
        due = words(answer(asked.wish, self.scene.limit))
        if self._ended(asked):
            self._broken_off(verdict, asked, messages)
            return messages
        if not messages:
            verdict.note("lost", f"{asked.wish.text} of {asked.who}")
            return []
        chain, surplus = _chain(due, messages)
        if sum(len(words(said.text)) for said in chain) < len(due):
            seen = [(said.message_id, said.growing, said.text[:20]) for said in messages]
            verdict.note("cut", f"{asked.wish.text} of {asked.who}: {seen}")
        elif asked.wish.kind == "code" and not self._is_code(asked, chain):
            verdict.note("cut", f"{asked.wish.text} of {asked.who}: no code any more")
        if surplus:
            self._doubled(verdict, asked, messages, surplus)
        return chain

    def _is_code(self, asked: Asked, chain: list[Said]) -> bool:
        """Return True if each line is in its position and shown as code."""
        told = lines("\n".join(said.text for said in chain))
        return told == lines(answer(asked.wish, self.scene.limit)) and chain[0].code

    def _broken_off(self, verdict: Verdict, asked: Asked, messages: list[Said]) -> None:
        """An answer may end before its end only after it was asked for again."""
        verdict.note("ended", asked.wish.text)
        tries = sum(tag_of(request.text) == asked.wish.tag for request in self.requests)
        if tries < 2 or any(said.growing for said in messages):
            verdict.note("cut", f"{asked.wish.text} of {asked.who}: given up after {tries}")

    def _ended(self, asked: Asked) -> bool:
        if not self.may_end:
            return False
        messages = self.scene.answers(asked.place)
        ours = [said for said in messages if tag_of(said.text) == asked.wish.tag]
        return any(BROKE_OFF in said.text for said in ours)

    def _doubled(
        self, verdict: Verdict, asked: Asked, messages: list[Said], surplus: list[Said]
    ) -> None:
        """Messages too many: excused where the platform took one and the bot could not hear of it.

        Which of the two is left over does not tell which one that was.
        """
        excused = [said for said in messages if self.scene.doubles and self._is_unheard(said)]
        for said in surplus:
            if excused:
                verdict.in_window += 1
                excused.pop()
            else:
                seconds = [f"{self._to_kill(each):.2f}" for each in messages]
                known = [self._is_known(each) for each in messages]
                told = f"known {known}, seconds to a kill {seconds}"
                verdict.note("doubled", f"{asked.wish.text}: {said.text[:20]!r}, {told}")

    def _is_unheard(self, said: Said) -> bool:
        """Return True if the bot does not know a message, and a cut explains it."""
        cut = any(begin <= said.sent_at <= end for begin, end in self.unheard)
        return cut and not self._is_known(said)

    def _to_kill(self, said: Said) -> float:
        """Seconds from the taking of a message to the nearest kill; negative after it."""
        return min((kill - said.sent_at for kill in self.kills), key=abs, default=inf)

    def _is_known(self, said: Said) -> bool:
        """Return True if the bot has stored the id of a message."""
        known = "SELECT count(*) FROM posts WHERE message_id = :message AND part IS NOT NULL"
        return bool(self.records.one(known, message=said.message_id))

    def _memory(self, verdict: Verdict, place: str, asked: Sequence[Asked]) -> None:
        """Each exchange stands once on the path to the head: alone with the bot in the order in
        which it was asked, in a group in each one's order."""
        said = self._remembered(asked)
        pairs = list(zip(said[::2], said[1::2], strict=False))
        tags = [tag_of(question) for question, _ in pairs]
        for who in self.scene.speakers(place):
            due = [each.wish.tag for each in asked if each.who == who]
            if [tag for tag in tags if tag in due] != due:
                verdict.note("memory", f"{place}: {who}: {tags}, not {due}")
        wishes = {each.wish.tag: each.wish for each in asked}
        for tag, (_, reply) in zip(tags, pairs, strict=True):
            if tag not in wishes or reply != answer(wishes[tag], self.scene.limit):
                verdict.note("memory", f"{place}: {tag}: {reply[:40]!r}")

    def _remembered(self, asked: Sequence[Asked]) -> list[str]:
        """Return the texts on the path to the head of the conversation of these questions."""
        if not asked:
            return []
        like = f"%{asked[0].wish.text}%"
        query = "SELECT conversation_id FROM messages WHERE CAST(body AS TEXT) LIKE :like LIMIT 1"
        found = self.records.all(query, like=like)
        if not found:
            return []
        rows = self.records.all(PATH, conversation=found[0][0])
        return [_content(row.body) for row in rows]


def _content(body: object) -> str:
    message = json.loads(body) if isinstance(body, str) else body
    assert isinstance(message, dict)
    return str(message["content"])


def _chain(due: list[str], messages: Sequence[Said]) -> tuple[list[Said], list[Said]]:
    """The messages that add up to an answer, and those that are too many.

    Of two that fit at the same place the later one counts: the earlier one was forgotten.
    """
    chain: list[Said] = []
    place = len(due)
    for said in reversed(messages):
        told = words(said.text)
        start = place - len(told)
        if told and not said.growing and start >= 0 and due[start:place] == told:
            chain.insert(0, said)
            place = start
    return chain, [said for said in messages if said not in chain]
