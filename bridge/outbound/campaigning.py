"""Runs campaigns: who is called next, and what follows from a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog

from bridge.call.record import Status
from bridge.errors import Reason
from bridge.outbound.people import Span, within
from bridge.outbound.placing import attempt_of, new_call_id, record_of
from bridge.outbound.policy import Policy
from bridge.outbound.refusal import Refused
from bridge.outbound.results import FAILURES, result_of
from bridge.outbound.rules import RETRIED, Defaults, Rules, budget_of, caller_for, pool_of, read_rules, window_of
from bridge.outbound.wanted import Wanted, moment
from bridge.store.attempts import Attempt, Settled
from bridge.store.budget import Denied
from bridge.store.calls import Calls
from bridge.store.campaigns import Campaign, CampaignStore, Step, Target, Told
from bridge.store.suppression import Suppressions
from bridge.store.tables import micros
from bridge.store.transaction import Transaction

log = structlog.get_logger("bridge.campaigns")


async def untold(connection: Transaction, campaign: Campaign) -> None:
    """Nobody is told that a campaign is finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaigning:
    """One for each engine. ``finished`` as CampaignStore.finish has it. Methods may raise StoreUnavailable."""

    store: CampaignStore
    calls: Calls
    suppressions: Suppressions
    policy: Policy
    defaults: Defaults
    finished: Told = untold

    async def next(self, now: datetime) -> Attempt | Denied | None:
        """A person who may be called now; Denied where one is, but not just yet.

        Campaigns take turns, whoever waits longest first.
        """
        best: list[tuple[int, Campaign, Rules, Target]] = []
        for campaign in await self.store.all(state="running"):
            try:
                rules = read_rules(campaign.rules, self.policy, self.defaults)
            except Refused as error:  # a line or an agent is gone from the configuration
                await self._pause(campaign, f"its rules no longer hold: {error}", now)
                continue
            people = await self.store.due(campaign.campaign_id, now)
            best += [(target.due_us, campaign, rules, target) for target in people]
            if not people:
                await self.finish_if_done(campaign, now)
        full: set[str] = set()
        denied: Denied | None = None
        for _, campaign, rules, target in sorted(best, key=lambda each: each[0]):
            if campaign.campaign_id in full:
                continue
            begun = await self._begin(campaign, rules, target, now)
            if isinstance(begun, Attempt):
                return begun
            if isinstance(begun, Denied):
                full.add(campaign.campaign_id)
                if denied is None or begun.retry_after_s < denied.retry_after_s:
                    denied = begun
        return denied

    async def _begin(self, campaign: Campaign, rules: Rules, target: Target, now: datetime) -> Attempt | Denied | str:
        late = self._later(rules, target, now)
        if late is not None:
            await self.store.put_off(campaign.campaign_id, target, late)
            return "later"
        policy = self.policy if not rules.first_line else replace(self.policy, first_line=rules.first_line)
        call_id = new_call_id(f"{campaign.campaign_id}\n{target.position}\n{target.tries + 1}")
        wanted = self._wanted(rules, target)
        record = record_of(wanted, call_id=call_id, now=now, policy=policy)
        record.detail["campaign_id"] = campaign.campaign_id
        attempt = replace(
            attempt_of(wanted, call_id=call_id, due=now, policy=policy),
            campaign_id=campaign.campaign_id,
            position=target.position,
        )
        begun = await self.store.begin(
            campaign.campaign_id,
            target,
            attempt,
            record,
            budgets=(self.policy.budget, budget_of(rules)),
            now=now,
        )
        if begun == "suppressed":
            await self.store.put_off(campaign.campaign_id, target, Step("skipped", result="suppressed"))
        return begun

    async def still(self, attempt: Attempt, now: datetime) -> bool:
        """Whether a call that was begun before, and surely never dialled, may be dialled now.

        Where not, its record says why, and what follows for the person is decided when it is settled.
        """
        campaign, person = await self._whose(attempt)
        reason = None
        if campaign is None or person is None or campaign.state == "canceled":
            reason = Reason.CANCELED
        elif self._later(_rules(campaign), person, now) is not None:
            reason = Reason.OUTSIDE_HOURS
        if reason is None:
            return True
        words = "its time had passed" if reason is Reason.OUTSIDE_HOURS else "its campaign was canceled"
        await self.calls.change(
            attempt.call_id, lambda record: record.finish(reason, now, status=Status.CANCELED, detail=words)
        )
        return False

    async def _whose(self, attempt: Attempt) -> tuple[Campaign | None, Target | None]:
        campaign = await self.store.get(attempt.campaign_id or "")
        if campaign is None:
            return None, None
        people = await self.store.targets(campaign.campaign_id, after=(attempt.position or 0) - 1, limit=1)
        return campaign, people[0] if people else None

    def _later(self, rules: Rules, target: Target, now: datetime) -> Step | None:
        """Where this person cannot be called now: when, or that it is too late."""
        zones, document = tuple(target.document.get("zones", ())), target.document
        not_before, not_after = _span(rules, document)
        opening = window_of(rules, self.defaults).opens(max(now, not_before or now), zones)
        if opening is None or (not_after is not None and opening >= not_after):
            return Step("done", result="too_late")
        return None if opening <= now else Step("waiting", due_us=micros(opening))

    def _wanted(self, rules: Rules, target: Target) -> Wanted:
        policy = self.policy
        from_ = caller_for(target.number, pool_of(rules, policy))
        line = policy.caller(from_)
        return Wanted(
            to=target.number,
            from_=from_,
            agent=rules.agent or line.agents[0],
            line=line.number if line.number != "*" else from_,
            variables={**rules.variables, **target.document.get("variables", {})},
            first_message=rules.first_message,
            machine_detection=rules.machine_detection or policy.machine_detection,
            voicemail_message=rules.voicemail_message,
            max_duration_s=rules.max_duration_s or policy.max_duration_s,
            not_after=_span(rules, target.document)[1],
        )

    # ------------------------------------------------------------ afterwards

    async def settled(self, settled: Settled, now: datetime) -> None:
        """A call is over: settle the attempt, and decide what follows for the person and for the campaign."""
        attempt, record = settled.attempt, settled.record
        campaign, person = await self._whose(attempt)
        result = result_of(record)
        if result == "opted_out":
            await self.suppressions.add([attempt.to_number], source="opt_out", now=now)
        step = Step("done", result=result, note=record.outcome_detail[:500])
        if campaign is not None and person is not None:
            if result == "too_late" and record.carrier_call_id is None:  # not dialled: there may be another time
                step = self._later(_rules(campaign), person, now) or Step("waiting", due_us=micros(now))
            else:
                step = self._follow(campaign, _rules(campaign), person, step, now)
        await self.store.settle(attempt.campaign_id or "", attempt.position or 0, record, step, now)
        if campaign is not None:
            if result in FAILURES:
                await self._break_circuit(campaign, now)
            await self.finish_if_done(campaign, now)

    def _follow(self, campaign: Campaign, rules: Rules, target: Target, step: Step, now: datetime) -> Step:
        attempts = rules.max_attempts or self.defaults.max_attempts
        retried = RETRIED if rules.retry_on is None else rules.retry_on
        if step.result not in retried or target.tries >= attempts or campaign.state == "canceled":
            return step
        delay = (rules.retry_delay_s or self.defaults.retry_delay_s) * 2 ** max(target.tries - 1, 0)
        later = self._later(rules, target, now + timedelta(seconds=delay))
        if later is not None and later.state == "done":
            return step  # there is no time left for another try: what the last one came to stands
        due = micros(now + timedelta(seconds=delay)) if later is None else later.due_us
        return Step("waiting", due_us=due, note=step.note)

    async def _break_circuit(self, campaign: Campaign, now: datetime) -> None:
        rules = _rules(campaign)
        window = rules.failure_window or self.defaults.failure_window
        most = self.defaults.max_failure_rate if rules.max_failure_rate is None else rules.max_failure_rate
        last = await self.store.last_calls(campaign.campaign_id, window)
        failed = sum(result_of(record) in FAILURES for record in last)
        if len(last) >= window and failed > most * window:
            await self._pause(campaign, f"{failed} of the last {window} calls failed", now)

    async def _pause(self, campaign: Campaign, why: str, now: datetime) -> None:
        log.error("campaign_paused", campaign_id=campaign.campaign_id, why=why)
        await self.store.move(campaign.campaign_id, to="paused", only_from=("running",), now=now, why=why[:200])

    async def finish_if_done(self, campaign: Campaign, now: datetime) -> None:
        """Everybody was called, or cannot be."""
        if await self.store.finish(campaign, now=now, told=self.finished):
            log.info("campaign_finished", campaign_id=campaign.campaign_id)


def _rules(campaign: Campaign) -> Rules:
    """They were checked when they were stored."""
    return msgspec.convert(campaign.rules, Rules)


def _span(rules: Rules, document: Mapping[str, Any]) -> Span:
    own = _moment(document.get("not_before")), _moment(document.get("not_after"))
    return within(own, (rules.not_before, rules.not_after))


def _moment(text: Any) -> datetime | None:
    return moment(text).astimezone(UTC) if isinstance(text, str) else None
