"""What the bridge asks of Twilio: dial, end, redirect, look up, send, record. Over Twilio's own library.

The library is loaded with the first request: it costs 0.1 s and 12 MB, and a process that answers calls seldom asks.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Final, Literal

from bridge.call.ports import Secret
from bridge.call.record import Direction, Status
from bridge.carriers.twilio.portions import portions
from bridge.carriers.twilio.transport import Transport
from bridge.carriers.twilio.webhooks.outcome import status_of
from bridge.errors import CarrierFailure

API_BASE_URL: Final = "https://api.twilio.com"
MAX_TWIML: Final = 4000  # characters of TwiML in a REST request
NOT_IN_PROGRESS: Final = 21220
_SID: Final = re.compile(r"[A-Z]{2}[0-9a-f]{32}", re.ASCII)
_ROOM: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_AMD: Final = {"detect": "Enable", "leave_message": "DetectMessageEnd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """A call as Twilio knows it. Times are UTC; None where it has not come to that."""

    carrier_call_id: str
    call_status: str  # Twilio's own word
    direction: Direction
    caller: str
    called: str
    created_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    duration_s: int
    answered_by: str

    @property
    def status(self) -> Status | None:
        """The bridge's word for ``call_status``; None for one that Twilio has added since."""
        return status_of(self.call_status)


# A number that a SIP trunk or a TwiML application has: its own addresses are not asked (API reference, IncomingPhoneNumber).
OWNERS: Final = {
    "VoiceApplicationSid": "voice_application_sid",
    "TrunkSid": "trunk_sid",
    "SmsApplicationSid": "sms_application_sid",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberFacts:
    """A phone number of the account, and where its calls and messages are sent."""

    number_sid: str
    number: str
    voice_url: str
    voice_method: str
    voice_fallback_url: str
    status_callback: str
    status_method: str
    sms_url: str
    sms_method: str
    owners: tuple[str, ...]  # fields that name what has the number in place of these addresses


class TwilioRest:
    """One account. Every method raises CarrierFailure, and ValueError for an id that is none of Twilio's.

    ``timeout_s``: the most that one request takes; ``find``, ``numbers`` and ``end_conference`` make several.
    """

    def __init__(
        self, account_sid: str, auth_token: Secret, *, api_base_url: str = API_BASE_URL, timeout_s: float = 10.0
    ) -> None:
        self._transport = Transport(timeout_s=timeout_s)
        self._account_sid = account_sid
        self._base_url = api_base_url.rstrip("/")
        self._auth_token = auth_token
        self._client: Any = None

    def use(self, auth_token: Secret) -> None:
        """Prove ourselves with this one from now on."""
        self._auth_token = auth_token
        self._client = None

    async def dial(
        self,
        to: str,
        from_: str,
        *,
        url: str,
        status_callback: str,
        ring_timeout_s: int = 30,
        machine_detection: Literal["off", "detect", "leave_message"] = "off",
        async_amd_callback: str | None = None,
        time_limit_s: int | None = None,
        record_callback: str | None = None,
    ) -> str:
        """Place a call; TwiML is asked for at ``url`` when it is answered. Returns its CallSid.

        ``failure.unsure``: it may ring all the same; ask ``find`` before dialling again. ``record_callback``: record the
        call at the carrier, both sides apart, and tell that address.
        """
        options: dict[str, Any] = {}
        if machine_detection != "off":
            options |= {"machine_detection": _AMD[machine_detection], "async_amd": "true"}
            options |= {"async_amd_status_callback": async_amd_callback, "async_amd_status_callback_method": "POST"}
        if time_limit_s is not None:
            options["time_limit"] = time_limit_s
        if record_callback is not None:
            options |= {"record": True, "recording_channels": "dual", "recording_status_callback": record_callback}
        client = await self._library()
        with _understood():
            call = await client.calls.create_async(
                to=to,
                from_=from_,
                url=url,
                method="POST",
                status_callback=status_callback,
                status_callback_method="POST",
                status_callback_event=["initiated", "ringing", "answered", "completed"],
                timeout=min(600, max(5, ring_timeout_s)),
                **options,
            )
            return _sid(call.sid)

    async def end(self, call_id: str) -> None:
        """End a call in whatever state. One that has ended already, or is not known (any more), is success."""
        await self._update(call_id, ended_is_fine=True, status="completed")

    async def cancel(self, call_id: str) -> bool:
        """Give up a call that has not been answered. False where it was answered or over before."""
        return await self._update(call_id, ended_is_fine=True, status="canceled")

    async def redirect(self, call_id: str, *, twiml: str | None = None, url: str | None = None) -> None:
        """Give a live call other TwiML, as text or from an address; its media stream is torn down at once."""
        if (twiml is None) == (url is None):
            raise ValueError("either TwiML or an address")
        if twiml is not None and len(twiml) > MAX_TWIML:
            raise ValueError(f"TwiML of more than {MAX_TWIML} characters")
        options = {"url": url, "method": "POST"} if twiml is None else {"twiml": twiml}
        await self._update(call_id, ended_is_fine=False, **options)

    async def fetch(self, call_id: str) -> CallFacts | None:
        """How a call stands; None where Twilio knows no such call."""
        client = await self._library()
        call = client.calls(_sid(call_id))
        try:
            with _understood():
                return _facts(await call.fetch_async())
        except CarrierFailure as failure:
            if failure.status == 404:
                return None
            raise

    async def find(self, to: str, from_: str, *, since: datetime) -> list[CallFacts]:
        """The calls between two numbers made since then, the newest first, at most 200; queued ones among them.

        The time is compared here: a queued call has no start time yet, and Twilio's filter would leave it out.
        """
        client = await self._library()
        with _understood():
            calls = await client.calls.list_async(to=to, from_=from_, limit=200, page_size=200)
            facts = [_facts(call) for call in calls]
        return [fact for fact in facts if fact.created_at is None or fact.created_at >= since]

    async def send_message(self, to: str, from_: str, *, body: str, status_callback: str | None = None) -> str:
        """Send a text, in several messages where it is too long for one. Returns the MessageSid of the last."""
        client = await self._library()
        options, sent = _given(status_callback=status_callback), ""
        with _understood():
            for each in portions(body):  # one after the other: they go out in the order in which they are queued
                sent = _sid((await client.messages.create_async(to=to, from_=from_, body=each, **options)).sid)
        return sent

    async def start_recording(self, call_id: str, *, status_callback: str) -> str:
        """Record a live call at the carrier, both sides apart. Returns the RecordingSid."""
        client = await self._library()
        call = client.calls(_sid(call_id))
        with _understood():
            recording = await call.recordings.create_async(
                recording_channels="dual",
                recording_status_callback=status_callback,
                recording_status_callback_event=["completed", "absent"],
            )
            return _sid(recording.sid)

    async def pause_recording(self, call_id: str) -> None:
        """Leave silence in the recording from now on; its length stays that of the call."""
        await self._recording(call_id, status="paused", pause_behavior="silence")

    async def resume_recording(self, call_id: str) -> None:
        """Record again."""
        await self._recording(call_id, status="in-progress")

    async def stop_recording(self, call_id: str) -> None:
        """End the recording; the call goes on."""
        await self._recording(call_id, status="stopped")

    async def delete_recording(self, recording_id: str) -> None:
        """Delete a recording at the carrier. One that is gone already is success."""
        client = await self._library()
        recording = client.recordings(_sid(recording_id))
        try:
            with _understood():
                await recording.delete_async()
        except CarrierFailure as failure:
            if failure.status != 404:
                raise

    async def add_participant(self, room: str, *, to: str, from_: str, label: str, ring_timeout_s: int = 30) -> str:
        """Call a person into a conference, without a beep. Returns the CallSid of that leg."""
        client = await self._library()
        conference = client.conferences(_room(room))
        with _understood():
            participant = await conference.participants.create_async(
                to=to,
                from_=from_,
                label=label,
                timeout=min(600, max(5, ring_timeout_s)),
                beep="false",
                early_media=True,
            )
            return _sid(participant.call_sid)

    async def end_conference(self, room: str) -> bool:
        """End a conference for everyone in it. False where there is none."""
        name = _room(room)
        client = await self._library()
        with _understood():
            found = await client.conferences.list_async(friendly_name=name, status="in-progress", limit=1)
            for conference in found:
                await client.conferences(_sid(conference.sid)).update_async(status="completed")
            return bool(found)

    async def numbers(self) -> list[NumberFacts]:
        """The phone numbers of the account, at most 1000."""
        client = await self._library()
        with _understood():
            found = await client.incoming_phone_numbers.list_async(limit=1000, page_size=200)
            return [
                NumberFacts(
                    number_sid=_sid(one.sid),
                    number=one.phone_number or "",
                    voice_url=one.voice_url or "",
                    voice_method=one.voice_method or "",
                    voice_fallback_url=one.voice_fallback_url or "",
                    status_callback=one.status_callback or "",
                    status_method=one.status_callback_method or "",
                    sms_url=one.sms_url or "",
                    sms_method=one.sms_method or "",
                    owners=tuple(field for field, name in OWNERS.items() if getattr(one, name)),
                )
                for one in found
            ]

    async def configure_number(
        self,
        number_sid: str,
        *,
        voice_url: str,
        status_callback: str,
        sms_url: str | None = None,
        voice_fallback_url: str | None = None,
        free: Sequence[str] = (),
    ) -> None:
        """Send a number's calls, their ends, and its messages to these addresses, by POST; None leaves one as it is.

        ``free``: of ``NumberFacts.owners``, those that are to have it no longer.
        """
        options = _given(sms_url=sms_url, voice_fallback_url=voice_fallback_url)
        options |= {name.replace("_url", "_method"): "POST" for name in options}
        options |= {OWNERS[owner]: "" for owner in free}
        client = await self._library()
        number = client.incoming_phone_numbers(_sid(number_sid))
        with _understood():
            await number.update_async(
                voice_url=voice_url,
                voice_method="POST",
                status_callback=status_callback,
                status_callback_method="POST",
                **options,
            )

    async def check(self) -> str:
        """The credentials, for ``doctor``: a sentence of what was found."""
        client = await self._library()
        with _understood():
            account = await client.api.accounts(self._account_sid).fetch_async()
            kind, status = str(account.type or "unknown").lower(), str(account.status or "unknown")
        if status != "active":
            raise CarrierFailure(f"the Twilio account is {status}", hint="Reactivate it in Twilio's console.")
        return f"the Twilio account is active ({kind})"

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def _library(self) -> Any:
        """Twilio's client. Loaded in a thread: the sound of the calls does not wait for 250 modules."""
        if self._client is None:
            make = await asyncio.to_thread(_load)
            client = make(self._account_sid, self._auth_token.reveal(), http_client=self._transport)
            # TWILIO_REGION and TWILIO_EDGE of the environment would rewrite any host, a stand-in's too.
            client.region = client.edge = None
            client.api.base_url = self._base_url
            self._client = client
        return self._client

    async def _update(self, call_id: str, *, ended_is_fine: bool, **changes: Any) -> bool:
        client = await self._library()
        call = client.calls(_sid(call_id))
        try:
            with _understood():
                await call.update_async(**changes)
        except CarrierFailure as failure:
            if ended_is_fine and (failure.code == NOT_IN_PROGRESS or failure.status == 404):
                return False
            raise
        return True

    async def _recording(self, call_id: str, **changes: str) -> None:
        client = await self._library()
        call = client.calls(_sid(call_id))
        with _understood():
            await call.recordings("Twilio.CURRENT").update_async(**changes)


def _load() -> Any:
    from twilio.rest import Client  # type: ignore[import-untyped]

    import_module("twilio.rest.api.v2010")  # all that an account has, which the client would load in the event loop
    return Client


@contextmanager
def _understood() -> Iterator[None]:
    """What the library makes of an answer of another shape is no error of ours: the request may have been carried out."""
    from twilio.base.exceptions import TwilioException  # type: ignore[import-untyped]

    try:
        yield
    except (TwilioException, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CarrierFailure(f"Twilio's answer cannot be understood ({type(error).__name__})", unsure=True) from error


def _sid(value: object) -> str:
    """An id of Twilio's; it becomes part of a path, so that nothing else will do."""
    if isinstance(value, str) and _SID.fullmatch(value):
        return value
    raise ValueError("no id of Twilio's")


def _room(name: str) -> str:
    if not _ROOM.fullmatch(name):
        raise ValueError("no name of a conference")
    return name


def _given(**options: str | None) -> dict[str, str]:
    return {name: value for name, value in options.items() if value is not None}


def _facts(call: Any) -> CallFacts:
    duration = str(call.duration or "0")
    return CallFacts(
        carrier_call_id=_sid(call.sid),
        call_status=str(call.status or ""),
        direction=Direction.INBOUND if call.direction == "inbound" else Direction.OUTBOUND,
        caller=str(vars(call).get("_from") or ""),  # "from" being a keyword, the library hides it
        called=str(call.to or ""),
        created_at=_time(call.date_created),
        started_at=_time(call.start_time),
        ended_at=_time(call.end_time),
        duration_s=int(duration) if duration.isdecimal() else 0,
        answered_by=str(call.answered_by or ""),
    )


def _time(value: object) -> datetime | None:
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
