"""What the bridge asks of Twilio: dial, end, redirect, look up, send, record.

Source: Twilio, "REST API 2010-04-01": form fields in, JSON out. Twilio's own library has the same few requests behind
250 modules and 12 MB; the tests hold its client and ours to the same stand-in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal

import msgspec

from bridge.call.ports import Secret
from bridge.call.record import Direction, Status
from bridge.carriers.twilio.transport import Transport
from bridge.carriers.twilio.webhooks.outcome import status_of
from bridge.errors import CarrierFailure

API_BASE_URL: Final = "https://api.twilio.com"
VERSION: Final = "/2010-04-01/Accounts/"
PAGE: Final = 200
MAX_NUMBERS: Final = 1000
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

    def use(self, auth_token: Secret) -> None:
        """Prove ourselves with this one from now on."""
        self._auth_token = auth_token

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
        fields: dict[str, Any] = {
            "To": to,
            "From": from_,
            "Url": url,
            "Method": "POST",
            "StatusCallback": status_callback,
            "StatusCallbackMethod": "POST",
            "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
            "Timeout": min(600, max(5, ring_timeout_s)),
        }
        if machine_detection != "off":
            fields |= {"MachineDetection": _AMD[machine_detection], "AsyncAmd": True}
            if async_amd_callback is not None:
                fields |= {"AsyncAmdStatusCallback": async_amd_callback, "AsyncAmdStatusCallbackMethod": "POST"}
        if time_limit_s is not None:
            fields["TimeLimit"] = time_limit_s
        if record_callback is not None:
            fields |= {"Record": True, "RecordingChannels": "dual", "RecordingStatusCallback": record_callback}
        return await self._made("Calls", fields)

    async def end(self, call_id: str) -> None:
        """End a call in whatever state. One that has ended already, or is not known (any more), is success."""
        await self._update(call_id, ended_is_fine=True, Status="completed")

    async def cancel(self, call_id: str) -> bool:
        """Give up a call that has not been answered. False where it was answered or over before."""
        return await self._update(call_id, ended_is_fine=True, Status="canceled")

    async def redirect(self, call_id: str, *, twiml: str | None = None, url: str | None = None) -> None:
        """Give a live call other TwiML, as text or from an address; its media stream is torn down at once."""
        if (twiml is None) == (url is None):
            raise ValueError("either TwiML or an address")
        if twiml is not None and len(twiml) > MAX_TWIML:
            raise ValueError(f"TwiML of more than {MAX_TWIML} characters")
        options = {"Url": url or "", "Method": "POST"} if twiml is None else {"Twiml": twiml}
        await self._update(call_id, ended_is_fine=False, **options)

    async def fetch(self, call_id: str) -> CallFacts | None:
        """How a call stands; None where Twilio knows no such call."""
        path = f"Calls/{_sid(call_id)}"
        try:
            found = await self._ask("GET", path)
        except CarrierFailure as failure:
            if failure.status == 404:
                return None
            raise
        with _understood():
            return _facts(found)

    async def find(self, to: str, from_: str, *, since: datetime) -> list[CallFacts]:
        """The calls between two numbers made since then, the newest first, at most 200; queued ones among them.

        The time is compared here: a queued call has no start time yet, and Twilio's filter would leave it out.
        """
        calls = await self._list("Calls", "calls", {"To": to, "From": from_}, most=PAGE)
        with _understood():
            facts = [_facts(call) for call in calls]
        return [fact for fact in facts if fact.created_at is None or fact.created_at >= since]

    async def send_message(self, to: str, from_: str, *, body: str, status_callback: str | None = None) -> str:
        """Send a text of at most 1600 characters. Returns its MessageSid."""
        fields = {"To": to, "From": from_, "Body": body[:1600], **_given(StatusCallback=status_callback)}
        return await self._made("Messages", fields)

    async def start_recording(self, call_id: str, *, status_callback: str) -> str:
        """Record a live call at the carrier, both sides apart. Returns the RecordingSid."""
        fields = {
            "RecordingChannels": "dual",
            "RecordingStatusCallback": status_callback,
            "RecordingStatusCallbackEvent": ["completed", "absent"],
        }
        return await self._made(f"Calls/{_sid(call_id)}/Recordings", fields)

    async def pause_recording(self, call_id: str) -> None:
        """Leave silence in the recording from now on; its length stays that of the call."""
        await self._recording(call_id, Status="paused", PauseBehavior="silence")

    async def resume_recording(self, call_id: str) -> None:
        """Record again."""
        await self._recording(call_id, Status="in-progress")

    async def stop_recording(self, call_id: str) -> None:
        """End the recording; the call goes on."""
        await self._recording(call_id, Status="stopped")

    async def delete_recording(self, recording_id: str) -> None:
        """Delete a recording at the carrier. One that is gone already is success."""
        path = f"Recordings/{_sid(recording_id)}"
        try:
            await self._ask("DELETE", path)
        except CarrierFailure as failure:
            if failure.status != 404:
                raise

    async def add_participant(self, room: str, *, to: str, from_: str, label: str, ring_timeout_s: int = 30) -> str:
        """Call a person into a conference, without a beep. Returns the CallSid of that leg."""
        fields = {
            "To": to,
            "From": from_,
            "Label": label,
            "Timeout": min(600, max(5, ring_timeout_s)),
            "Beep": False,
            "EarlyMedia": True,
        }
        return await self._made(f"Conferences/{_room(room)}/Participants", fields, key="call_sid")

    async def end_conference(self, room: str) -> bool:
        """End a conference for everyone in it. False where there is none."""
        wanted = {"FriendlyName": _room(room), "Status": "in-progress"}
        found = await self._list("Conferences", "conferences", wanted, most=1)
        with _understood():
            names = [_sid(conference["sid"]) for conference in found]
        for name in names:
            await self._ask("POST", f"Conferences/{name}", {"Status": "completed"})
        return bool(names)

    async def numbers(self) -> list[NumberFacts]:
        """The phone numbers of the account, at most 1000."""
        found = await self._list("IncomingPhoneNumbers", "incoming_phone_numbers", {}, most=MAX_NUMBERS)
        with _understood():
            return [
                NumberFacts(
                    number_sid=_sid(one["sid"]),
                    number=one.get("phone_number") or "",
                    voice_url=one.get("voice_url") or "",
                    voice_method=one.get("voice_method") or "",
                    voice_fallback_url=one.get("voice_fallback_url") or "",
                    status_callback=one.get("status_callback") or "",
                    status_method=one.get("status_callback_method") or "",
                    sms_url=one.get("sms_url") or "",
                    sms_method=one.get("sms_method") or "",
                    owners=tuple(field for field, name in OWNERS.items() if one.get(name)),
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
        fields = _given(SmsUrl=sms_url, VoiceFallbackUrl=voice_fallback_url, VoiceUrl=voice_url)
        fields |= {name.replace("Url", "Method"): "POST" for name in fields}
        fields |= {"StatusCallback": status_callback, "StatusCallbackMethod": "POST", **dict.fromkeys(free, "")}
        await self._ask("POST", f"IncomingPhoneNumbers/{_sid(number_sid)}", fields)

    async def check(self) -> str:
        """The credentials, for ``doctor``: a sentence of what was found."""
        account = await self._ask("GET", "")
        with _understood():
            kind, status = str(account.get("type") or "unknown").lower(), str(account.get("status") or "unknown")
        if status != "active":
            raise CarrierFailure(f"the Twilio account is {status}", hint="Reactivate it in Twilio's console.")
        return f"the Twilio account is active ({kind})"

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def _ask(self, method: str, path: str, fields: Mapping[str, Any] | None = None) -> Any:
        """One request for something of the account ("": for itself); its JSON, None where the answer is empty."""
        name = f"{self._account_sid}/{path}" if path else self._account_sid
        return await self._request(method, f"{VERSION}{name}.json", data=fields)

    async def _made(self, path: str, fields: Mapping[str, Any], *, key: str = "sid") -> str:
        """The id of what was made."""
        made = await self._ask("POST", path, fields)
        with _understood():
            return _sid(made[key])

    async def _list(self, path: str, key: str, wanted: Mapping[str, str], *, most: int) -> list[Any]:
        """The first ``most`` of a list, over as many pages as that takes."""
        query: dict[str, Any] | None = {**wanted, "PageSize": min(most, PAGE)}
        target, found = f"{VERSION}{self._account_sid}/{path}.json", list[Any]()
        while target and len(found) < most:
            page = await self._request("GET", target, params=query)
            with _understood():
                if not page[key]:
                    break
                found += page[key]
                target, query = page.get("next_page_uri") or "", None
                if target and not target.startswith(VERSION):
                    raise ValueError("a page elsewhere")
        return found[:most]

    async def _request(self, method: str, target: str, **more: Mapping[str, Any] | None) -> Any:
        auth = (self._account_sid, self._auth_token.reveal())
        answer = await self._transport.request(method, self._base_url + target, auth=auth, **more)
        with _understood():
            return msgspec.json.decode(answer.text) if answer.text else None

    async def _update(self, call_id: str, *, ended_is_fine: bool, **changes: str) -> bool:
        path = f"Calls/{_sid(call_id)}"
        try:
            await self._ask("POST", path, changes)
        except CarrierFailure as failure:
            if ended_is_fine and (failure.code == NOT_IN_PROGRESS or failure.status == 404):
                return False
            raise
        return True

    async def _recording(self, call_id: str, **changes: str) -> None:
        await self._ask("POST", f"Calls/{_sid(call_id)}/Recordings/Twilio.CURRENT", changes)


@contextmanager
def _understood() -> Iterator[None]:
    """An answer of another shape is no error of ours: the request may have been carried out."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
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
    duration = str(call.get("duration") or "0")
    return CallFacts(
        carrier_call_id=_sid(call["sid"]),
        call_status=str(call.get("status") or ""),
        direction=Direction.INBOUND if call.get("direction") == "inbound" else Direction.OUTBOUND,
        caller=str(call.get("from") or ""),
        called=str(call.get("to") or ""),
        created_at=_time(call.get("date_created")),
        started_at=_time(call.get("start_time")),
        ended_at=_time(call.get("end_time")),
        duration_s=int(duration) if duration.isdecimal() else 0,
        answered_by=str(call.get("answered_by") or ""),
    )


def _time(text: object) -> datetime | None:
    """RFC 2822, as in "Sat, 21 Nov 2026 01:00:05 +0000"; None where there is none."""
    if not isinstance(text, str):
        return None
    try:
        value = parsedate_to_datetime(text)
    except ValueError:
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
