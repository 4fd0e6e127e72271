"""Seeded schedules of what may happen to leases, over the pure rules and with a fake clock.

The simulation keeps its own books, row by row, of who was granted what under which number. They know neither epochs nor ranges, so a rule
that forgets one of its checks disagrees with them.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from starwhale.domain import ledger, together
from starwhale.domain.ledger import Pace, Queue, RangeState, RowRange
from starwhale.domain.together import Piece
from starwhale.errors import LeaseLostError

EVENTS = 16
"""Events of one schedule before everybody just works to the end."""
TTL_S = 3.0
MOST_HELD = 2
"""Ranges that a task holds at most: the one that it is at, and one that it reads ahead."""

Commit = Callable[[RowRange, int, str, float, int | None], tuple[RowRange, RowRange | None]]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rules that a simulation applies; a test may pass a broken one."""

    commit: Commit = ledger.commit
    grant: Callable[[RowRange, str, float | None], RowRange] = ledger.grant
    release: Callable[..., RowRange] = ledger.release
    renew: Callable[[RowRange, str, float], RowRange] = ledger.renew
    give_back_suspect: Callable[..., Sequence[RowRange]] = ledger.give_back_suspect
    free_failed: Callable[[RowRange, Sequence[int], Queue], Sequence[RowRange]] = ledger.free_failed
    split: Callable[..., Sequence[RowRange]] = ledger.split
    shorten: Callable[..., tuple[RowRange, RowRange | None]] = ledger.shorten
    choose: Callable[..., Sequence[RowRange]] = together.choose
    commit_together: Callable[..., tuple[list[RowRange], list[RowRange]]] = together.commit
    split_together: Callable[..., list[list[RowRange]]] = together.split


@dataclass(frozen=True, slots=True)
class Message:
    """A commit as it travels: it may arrive late, twice, or never."""

    pieces: tuple[Piece, ...]
    """The ranges that were granted together, mostly one."""
    holder: str
    number: int
    """Number of the grant, for the books; the rules do not see it."""
    deadline_s: float | None

    @property
    def start(self) -> int:
        return self.pieces[0].start

    @property
    def stop(self) -> int:
        return self.pieces[-1].stop

    @property
    def rows(self) -> list[int]:
        return [row for piece in self.pieces for row in range(piece.start, piece.stop)]


@dataclass
class Books:
    """What is true, row by row."""

    granted: list[int]
    """Row → number of the grant that has it, or 0."""
    done: list[int]
    """Row → how often it was done, since it was tried again for the last time."""
    failed: set[int]
    """Rows that were done and have failed."""
    renewed: dict[int, float] = field(default_factory=dict[int, float])
    """Number of a grant → until when it was renewed."""

    def accepts(self, message: Message, now_s: float, holder: str) -> bool:
        """Whether the commit must be taken."""
        in_time = message.deadline_s is None or now_s <= self.renewed.get(message.number, message.deadline_s)
        return in_time and holder == message.holder and all(self.granted[row] == message.number for row in message.rows)


@dataclass
class Simulation:
    """One schedule."""

    random: random.Random
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        choose = self.random.randrange
        self.queue = Queue(total=choose(1, 13), batch=choose(1, 4))
        self.tasks = choose(1, 4)
        self.ranges: dict[int, RowRange] = {}
        self.books = Books([0] * self.queue.total, [0] * self.queue.total, set())
        self.fails = self.random.random() * 0.5
        self.retried = 0
        self.now_s = 0.0
        self.grants = 0
        self.attempts = [1] * self.tasks
        self.held: list[list[Message]] = [
            [] for _ in range(self.tasks)
        ]  # the first is worked on, the second read ahead
        self.handed_in: list[Message | None] = [None] * self.tasks
        """Task → what it has handed in: the commit takes place while it is at the next range."""
        self.in_flight: list[Message] = []
        self.cut: set[Message] = set()
        self.together = 0
        self.shortened = 0
        self.refused = 0
        self.has_deadlines = choose(2) == 0
        if choose(3) == 0:
            self.sample()

    def sample(self) -> None:
        """Only some batches are wanted; the others count as done from the beginning."""
        total = self.queue.total
        tiles = ledger.tile(
            total, self.queue.batch, self.random.sample(range(total), self.random.randrange(1, total + 1))
        )
        self.queue = dataclasses.replace(self.queue, cursor=total)
        self.ranges = {each.start: each for each in tiles}
        for each in tiles:
            if each.state is RangeState.DONE:
                self.books.done[each.start : each.stop] = [1] * (each.stop - each.start)

    def run(self) -> None:
        """Let anything happen, then let everybody work, and check that every row was done once."""
        events = (self.work, self.work, self.stop_early, self.kill, self.give_back, self.pass_time, self.deliver)
        events = (*events, self.retry, self.split, self.hand_in, self.settle, self.renew)
        for _ in range(EVENTS):
            self.random.choice(events)(self.random.randrange(self.tasks))
            self.check_tiles()
        self.finish()
        if self.random.random() < 0.3:
            self.retry(0)
            self.finish()

    def finish(self) -> None:
        """Let everybody work until the rows are done, and check that each was done once."""
        self.has_deadlines = False
        self.now_s += 2 * TTL_S
        for _ in range(4 * self.queue.total + 4 * self.tasks):
            if all(self.books.done):
                break
            self.work(self.random.randrange(self.tasks))
            if self.random.random() < 0.1:
                self.deliver(0)
        else:
            for task in range(self.tasks):
                self.kill(task)
            for _ in range(4 * self.queue.total):
                self.work(0)
        self.deliver_everything()
        self.check_tiles()
        assert ledger.is_complete(self.queue, list(self.ranges.values())), "rows were left over"
        assert self.books.done == [1] * self.queue.total, f"rows were done {self.books.done} times"

    def holder(self, task: int) -> str:
        return f"t{task}#{self.attempts[task]}"

    def work(self, task: int) -> None:
        """Commit what the task is at, all of it, or ask for rows; also for those that it reads ahead."""
        self.settle(task)
        held = self.held[task]
        if not held or (len(held) < MOST_HELD and self.random.random() < 0.3):
            before = len(held)
            self.ask(task)
            if len(held) > before or not held:
                return
        message = held.pop(0)
        self.in_flight.append(message)
        if self.random.random() < 0.8:
            self.arrive(message, message.holder, message.stop)

    def hand_in(self, task: int) -> None:
        """Be through with a range and go on with the next, which is here already; the commit of the one before was waited for."""
        if len(self.held[task]) < MOST_HELD:
            return
        self.settle(task)
        if self.held[task]:
            self.handed_in[task] = self.held[task].pop(0)

    def settle(self, task: int) -> None:
        """Let what was handed in be committed, and be leased another range with it."""
        message, self.handed_in[task] = self.handed_in[task], None
        if message is None:
            return
        self.arrive(message, message.holder, message.stop)
        self.in_flight.append(message)
        if len(self.held[task]) < MOST_HELD:
            self.ask(task)

    def ask(self, task: int) -> None:
        self.release_expired()
        free = [each for each in self.ranges.values() if each.state is RangeState.FREE]
        chosen: RowRange | None = min(free, key=lambda r: (r.crashes == 0, r.start), default=None)
        pace = Pace(rows=self.random.randrange(16), took_s=1.0, tasks=self.tasks)
        if chosen is None:
            self.queue, chosen = ledger.cut(self.queue, ledger.range_rows(self.queue, pace))
        if chosen is None:
            return
        behind = sorted((each for each in free if each.start > chosen.start), key=lambda r: r.start)
        chosen, rest = self.rules.shorten(chosen, self.queue, pace)
        if rest is not None:
            self.ranges[rest.start], behind = rest, []
            self.shortened += 1
        deadline_s = self.now_s + TTL_S if self.has_deadlines else None
        self.grants += 1
        pieces: list[Piece] = []
        for each in self.rules.choose(chosen, behind, self.queue, pace):
            granted = self.rules.grant(each, self.holder(task), deadline_s)
            self.ranges[granted.start] = granted
            pieces.append(Piece(start=granted.start, stop=granted.stop, epoch=granted.epoch))
            for row in range(granted.start, granted.stop):
                assert self.books.done[row] == 0, f"row {row} was done and is handed out again"
                assert self.books.granted[row] == 0, f"row {row} was handed out twice"
                self.books.granted[row] = self.grants
        self.together += len(pieces) > 1
        self.held[task].append(Message(tuple(pieces), self.holder(task), self.grants, deadline_s))

    def stop_early(self, task: int) -> None:
        """Commit some batches of what the task is at; the rest goes back."""
        self.settle(task)
        if not self.held[task]:
            return
        message = self.held[task].pop(0)
        piece, batch = self.random.choice(message.pieces), self.queue.batch
        batches = -(-(piece.stop - piece.start) // batch)
        stop = min(piece.start + self.random.randrange(1, batches + 1) * batch, piece.stop)
        self.in_flight.append(message)
        self.arrive(message, message.holder, stop)

    def split(self, task: int) -> None:
        """Cut one of the ranges that the task holds, so that its pieces are committed in any order; the whole may still be under way."""
        cuttable = [each for each in self.held[task] if self.boundaries(each)]
        if not cuttable:
            return
        message = self.random.choice(cuttable)
        inner = self.boundaries(message)
        cuts = self.random.sample(inner, self.random.randrange(1, len(inner) + 1))
        found = [(self.ranges[piece.start], piece) for piece in message.pieces]
        accepted = self.books.accepts(message, self.now_s, message.holder)
        args = message.holder, self.now_s, cuts, self.queue.batch
        try:
            if len(found) > 1:
                groups = self.rules.split_together(found, *args)
            else:
                groups = [[each] for each in self.rules.split(found[0][0], message.pieces[0].epoch, *args)]
        except LeaseLostError:
            assert not accepted, f"{message} was not cut although it holds its rows"
            return
        assert accepted, f"{message} was cut although it does not hold {found}"
        assert len(groups) == len(cuts) + 1, "there is one more than there are cuts"
        parts: list[Message] = []
        for group in groups:
            for each in group:
                self.ranges[each.start] = each
            pieces = tuple(Piece(start=each.start, stop=each.stop, epoch=each.epoch) for each in group)
            parts.append(dataclasses.replace(message, pieces=pieces))
        assert sorted(row for part in parts for row in part.rows) == message.rows, "the groups are what was cut"
        position = self.held[task].index(message)
        self.held[task][position : position + 1] = self.random.sample(parts, len(parts))
        self.in_flight.append(message)
        if set(cuts) - {
            piece.start for piece in message.pieces
        }:  # else its ranges are as they were, and it may still be committed
            self.cut.add(message)

    def boundaries(self, message: Message) -> list[int]:
        """Where a lease may be cut: where a range of it begins, or a batch in one."""
        batch = self.queue.batch
        inner = [
            at for p in message.pieces for at in range((p.start // batch + 1) * batch, p.stop, batch) if at > p.start
        ]
        return sorted({*inner, *(piece.start for piece in message.pieces[1:])})

    def kill(self, task: int) -> None:
        """End the worker; what it was at is a suspect, and its last commit may still be under way.

        What it has handed in was sent before, and is committed; or it was lost on the way, and is given back as no suspect.
        """
        held, handed_in = self.held[task], self.handed_in[task]
        self.handed_in[task] = None
        if handed_in is not None:
            self.in_flight.append(handed_in)
            if self.random.random() < 0.7:
                self.arrive(handed_in, handed_in.holder, handed_in.stop)
        if held and self.random.random() < 0.7:
            self.in_flight.append(held[0])
        for each in [r for r in self.ranges.values() if r.state is RangeState.LEASED]:
            if each.holder == self.holder(task):
                is_alone = self.random.random() < 0.5
                if held and each.start in {piece.start for piece in held[0].pieces}:
                    is_alone = is_alone and len(held[0].pieces) == 1
                    free = self.rules.give_back_suspect(each, self.queue.batch, is_alone=is_alone)
                    assert free[0].crashes == each.crashes + 1
                else:
                    free = [self.rules.release(each)]
                    assert free[0].crashes == each.crashes, "what was only read ahead, or was handed in, is no suspect"
                for part in free:
                    self.ranges[part.start] = part
                self.forget(each)
        held.clear()
        self.attempts[task] += 1

    def give_back(self, task: int) -> None:
        """End the attempt; or only lose the answer, so that the same attempt may get the same rows again."""
        if (handed_in := self.handed_in[task]) is not None:  # whoever waited for it has gone; it may arrive late
            self.handed_in[task] = None
            self.held[task].insert(0, handed_in)
        if not self.held[task]:
            return
        self.in_flight += self.held[task]
        self.held[task].clear()
        for each in [r for r in self.ranges.values() if r.state is RangeState.LEASED]:
            if each.holder == self.holder(task):
                self.ranges[each.start] = self.rules.release(each)
                self.forget(each)

    def retry(self, _task: int) -> None:
        """A driver takes over and tries what failed again; commits of all attempts before may still be under way."""
        for task in range(self.tasks):
            self.give_back(task)
            self.attempts[task] += 1
        for each in list(self.ranges.values()):
            failed = sorted(self.books.failed & set(range(each.start, each.stop)))
            pieces = self.rules.free_failed(each, failed, self.queue) if failed else [each]
            for piece in pieces:
                self.ranges[piece.start] = piece
                assert piece.epoch >= each.epoch, "a number of a lease comes again"
            free = {row for piece in pieces if piece.state is RangeState.FREE for row in range(piece.start, piece.stop)}
            if each.state is RangeState.DONE:
                assert free == set(failed), "the rows that failed are tried again, and no others"
        for row in self.books.failed:
            self.books.done[row] = 0
        self.retried += len(self.books.failed)
        self.books.failed.clear()

    def pass_time(self, _task: int) -> None:
        self.now_s += self.random.random() * TTL_S

    def renew(self, task: int) -> None:
        """Say that the worker lives: all that it holds lasts longer, also what is past its end and was given to nobody else."""
        until = self.now_s + TTL_S
        for each in [r for r in self.ranges.values() if r.state is RangeState.LEASED]:
            self.ranges[each.start] = self.rules.renew(each, self.holder(task), until)
            if each.holder == self.holder(task) and each.deadline_s is not None:
                self.books.renewed[self.books.granted[each.start]] = until

    def deliver(self, _task: int) -> None:
        """Let some commit arrive: late, doubled, or in another attempt's name."""
        if not self.in_flight:
            return
        message = self.random.choice(self.in_flight)
        other = self.random.random() < 0.2
        self.arrive(message, f"t{self.random.randrange(self.tasks)}#0" if other else message.holder, message.stop)

    def deliver_everything(self) -> None:
        for message in self.in_flight:
            self.arrive(message, message.holder, message.stop)

    def arrive(self, message: Message, holder: str, stop: int) -> None:
        """Apply a commit to the range that begins where it says, as the storage does."""
        is_cut = message in self.cut  # it is more than what lies there now
        expected = self.books.accepts(message, self.now_s, holder) and not is_cut
        found = [(self.ranges[piece.start], piece) for piece in message.pieces]
        before = dict(self.ranges)
        try:
            done, free = self.end(found, holder, stop)
        except LeaseLostError:
            assert not expected, f"{message} was refused although it holds its rows"
            assert self.ranges == before
            self.refused += 1
            return
        assert expected, (
            f"{message} was taken at {self.now_s} in the name of {holder} although it does not hold {found}"
        )
        for each in [*done, *free]:
            self.ranges[each.start] = each
        for row in [row for row in message.rows if row < stop]:
            self.books.done[row] += 1
            if self.random.random() < self.fails:
                self.books.failed.add(row)
        for each, _ in found:
            self.forget(each)

    def end(
        self, found: Sequence[tuple[RowRange, Piece]], holder: str, stop: int
    ) -> tuple[Sequence[RowRange], Sequence[RowRange]]:
        """Apply the rule of a commit: what is done, and what is free."""
        if len(found) > 1:
            return self.rules.commit_together(found, holder, self.now_s, stop)
        each, piece = found[0]
        done, rest = self.rules.commit(each, piece.epoch, holder, self.now_s, stop)
        return [done], [] if rest is None else [rest]

    def release_expired(self) -> None:
        for each in [r for r in self.ranges.values() if ledger.is_expired(r, self.now_s)]:
            self.ranges[each.start] = self.rules.release(each)
            self.forget(each)
            for held in self.held:  # the task has not noticed: its commit comes late
                for message in [m for m in held if m.holder == each.holder and each.start in m.rows]:
                    self.in_flight.append(message)
                    held.remove(message)

    def forget(self, each: RowRange) -> None:
        for row in range(each.start, each.stop):
            self.books.granted[row] = 0

    def check_tiles(self) -> None:
        """Every row that was handed out lies in one range; leases and books agree."""
        position = 0
        for start in sorted(self.ranges):
            each = self.ranges[start]
            assert (each.start, start) == (position, position), f"a gap or an overlap at {position}: {each}"
            assert each.stop > each.start
            position = each.stop
            if each.state is RangeState.DONE:
                assert self.books.done[start : each.stop] == [1] * (each.stop - start), f"{each} is not what was done"
        assert position == self.queue.cursor


def simulate(seed: int, count: int, rules: Rules | None = None) -> tuple[int, int, int, int, int]:
    """Run schedules.

    Returns:
        How many leases were granted, commits refused, failed rows tried again, leases were of several ranges, and free ranges were cut.
    """
    source = random.Random(seed)
    granted = refused = retried = grouped = shortened = 0
    for _ in range(count):
        simulation = Simulation(source, rules or Rules())
        simulation.run()
        granted += simulation.grants
        refused += simulation.refused
        retried += simulation.retried
        grouped += simulation.together
        shortened += simulation.shortened
    return granted, refused, retried, grouped, shortened
