"""Who said what: the turns of a record, from texts that come whole, in pieces, late, or corrected."""

from __future__ import annotations

from bridge.call.record import CallRecord, Turn

CALLER = "caller"
AGENT = "agent"
MAX_TEXT = 20_000  # characters of one turn


class Turns:
    """Writes the turns of one record. A turn of the agent is known by its number, which its sound carries too."""

    def __init__(self, record: CallRecord) -> None:
        self._record = record
        self._agent: dict[int, Turn] = {}
        self.number = 0  # of the agent's turn in progress, or of the last one
        self._open_agent: Turn | None = None
        self._open_caller: Turn | None = None
        self._cut: tuple[Turn, float] | None = None  # its text may still come; how much of it was heard

    @property
    def speaking(self) -> bool:
        """A turn of the agent is in progress."""
        return self._open_agent is not None

    def agent_sound(self, now: float) -> int:
        """The agent's sound goes out: the number of the turn it belongs to."""
        if self._open_agent is None:
            self._start_agent("", int(now * 1000))
        return self.number

    def agent_text(self, text: str, at_ms: int, *, final: bool) -> None:
        """What the agent says. A whole text fills the turn that sounds already, or begins the next one; a blank one says
        nothing.
        """
        if final and not text.strip():
            return
        turn = self._open_agent
        if turn is None and not final and self._cut is not None:
            self._fill_cut(_joined(self._cut[0].text, text))
        elif turn is None or (final and turn.text):
            self._start_agent(text[:MAX_TEXT], at_ms)
        else:
            turn.text = text[:MAX_TEXT] if final else _joined(turn.text, text)

    def agent_changed(self) -> None:
        """Another agent, or another session, has the call: what it says is a turn of its own."""
        self._open_agent = None
        self._open_caller = None
        self._cut = None

    def agent_corrected(self, original: str, corrected: str) -> None:
        """The agent's own account of what of an interrupted turn was said."""
        for turn in reversed(list(self._agent.values())):
            if turn.text == original:
                turn.heard = corrected[:MAX_TEXT]
                turn.interrupted = True
                return

    def caller_text(self, text: str, at_ms: int, *, final: bool) -> None:
        """What the caller said. A final one ends the agent's turn; pieces grow until then. Noise is transcribed as blank."""
        if self._open_caller is None:
            if final and not text.strip():
                return
            self._open_caller = Turn(CALLER, "", at_ms)
            self._record.add_turn(self._open_caller)
        turn = self._open_caller
        turn.text = text[:MAX_TEXT] if final else _joined(turn.text, text)
        if final:
            self._open_caller = None
            if self._open_agent is not None and not self._open_agent.text:
                # An agent that sends no texts: what it says next answers these words. One that does begins its next
                # turn with its text, and may go on speaking over a caller who only says "yes".
                self._open_agent = None

    def complete(self, caller_text: str, agent_text: str, at_ms: int) -> None:
        """Both texts of an exchange in full, once the agent has finished it."""
        if caller_text.strip():
            if self._open_caller is not None:
                self._open_caller.text = caller_text[:MAX_TEXT]
            else:
                self._insert_caller(caller_text, at_ms)
        if agent_text.strip():
            if self._open_agent is not None:
                self._open_agent.text = agent_text[:MAX_TEXT]
            elif self._cut is not None:
                self._fill_cut(agent_text[:MAX_TEXT])
            else:
                self._start_agent(agent_text[:MAX_TEXT], at_ms)
        self._open_caller = None
        self._open_agent = None
        self._cut = None

    def interrupted(self, heard: dict[int, float]) -> None:
        """Turns were cut: how much of each was heard, 0 to 1."""
        for number, fraction in heard.items():
            turn = self._agent.get(number)
            if turn is not None and not turn.interrupted:
                turn.interrupted = True
                turn.heard = words_heard(turn.text, fraction)
                self._cut = (turn, fraction)
        self._open_agent = None

    def _fill_cut(self, text: str) -> None:
        if self._cut is not None:
            turn, fraction = self._cut
            turn.text = text
            turn.heard = words_heard(text, fraction)

    def transcript(self) -> str:
        """What was said so far, a line a turn, as a successor is told it."""
        lines = []
        for turn in self._record.turns:
            said = turn.text if turn.heard is None else turn.heard
            if said:
                lines.append(f"{turn.role}: {said}")
        return "\n".join(lines)

    def _start_agent(self, text: str, at_ms: int) -> None:
        self.number += 1
        turn = Turn(AGENT, text, at_ms)
        self._agent[self.number] = turn
        self._record.add_turn(turn)
        self._open_agent = turn
        self._cut = None
        if len(self._agent) > 64:
            del self._agent[next(iter(self._agent))]

    def _insert_caller(self, text: str, at_ms: int) -> None:
        # The caller spoke before the agent answered: the turn belongs in front of the agent's turn in progress.
        turn = Turn(CALLER, text[:MAX_TEXT], at_ms)
        turns = self._record.turns
        self._record.add_turn(turn)
        if self._open_agent is not None and turn in turns and self._open_agent in turns:
            turns.remove(turn)
            turn.at_ms = self._open_agent.at_ms
            turns.insert(turns.index(self._open_agent), turn)


def words_heard(text: str, fraction: float) -> str:
    """The words of ``text`` that fit into the first ``fraction`` of its sound, 0 to 1; whole words only."""
    if fraction >= 1.0:
        return text
    end = int(len(text) * max(fraction, 0.0))
    if end < len(text) and not text[end].isspace():
        end = text.rfind(" ", 0, end + 1)
    return text[: max(end, 0)].rstrip()


def _joined(text: str, piece: str) -> str:
    # Some agents repeat what they sent so far, others send only what is new; neither document says which.
    joined = piece if piece.startswith(text) else text + piece
    return joined[:MAX_TEXT]
