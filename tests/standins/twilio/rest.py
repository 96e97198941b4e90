"""Twilio's REST API, as far as a bridge uses it: calls, recordings, messages."""

import base64
import io
import wave
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self
from urllib.parse import parse_qsl

from aiohttp import web

from ..sound import mulaw_decode
from ..web import Handler, StandIn
from . import forms
from .call import PhoneCall
from .carrier import Carrier
from .dialling import Dialler, Person
from .ids import rfc2822
from .messages import Messages
from .numbers import UPDATE_NUMBER, Number
from .verbs import Recording

VERSION = "2010-04-01"


class ApiError(Exception):
    """An answer in Twilio's error shape."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.body = {
            "code": code,
            "message": message,
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "status": status,
        }

    @property
    def answer(self) -> web.Response:
        """As HTTP."""
        return web.json_response(self.body, status=int(str(self.body["status"])))


class TwilioRest(StandIn):
    """`async with Carrier(...) as carrier, TwilioRest(carrier) as rest`: `api_base_url = rest.url`.

    `rest.people["+1555..."] = Person("busy")` says who answers. Named routes for `fault`: account, numbers, update_number,
    create_call, calls, call, update_call, record_call, update_recording, recordings, recording, sound,
    delete_recording, create_message, message.
    """

    def __init__(self, carrier: Carrier, *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host=host, port=port)
        self.carrier = carrier
        self.dialler = Dialler(carrier)
        self.texts = Messages(carrier, self.dialler)
        self.numbers: set[str] | None = {"+15550100"}  # ours, to call from; None: any
        self.held: dict[str, Number] = {}  # what is known of each, made when first asked for
        self.api_keys: dict[str, str] = {}  # SK... -> secret

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.carrier.api_url = self.url
        return self

    @property
    def people(self) -> dict[str, Person]:
        """Who answers, by number."""
        return self.dialler.people

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        """The documented ones."""
        root = f"/{VERSION}/Accounts/{{account}}"
        call, recording = f"{root}/Calls/{{id}}", f"{root}/Recordings/{{id}}"
        table = [
            ("GET", f"{root}.json", "account", self._account),
            ("GET", f"{root}/IncomingPhoneNumbers.json", "numbers", self._numbers),
            ("POST", f"{root}/IncomingPhoneNumbers/{{id}}.json", "update_number", self._update_number),
            ("POST", f"{root}/Calls.json", "create_call", self._create),
            ("GET", f"{root}/Calls.json", "calls", self._list),
            ("GET", f"{call}.json", "call", self._fetch),
            ("POST", f"{call}.json", "update_call", self._update),
            ("POST", f"{call}/Recordings.json", "record_call", self._record),
            ("POST", f"{call}/Recordings/{{recording}}.json", "update_recording", self._update_recording),
            ("GET", f"{root}/Recordings.json", "recordings", self._recordings),
            ("GET", f"{recording}.json", "recording", self._recording),
            ("GET", f"{recording}.wav", "sound", self._sound),
            ("DELETE", f"{recording}.json", "delete_recording", self._delete_recording),
            ("POST", f"{root}/Messages.json", "create_message", self._message),
            ("GET", f"{root}/Messages/{{id}}.json", "message", self._message_of),
        ]
        return [(method, path, name, self._checked(handler)) for method, path, name, handler in table]

    def _checked(self, handler: Any) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                self._authenticate(request)
                answer: web.StreamResponse = await handler(request)
            except ApiError as error:
                return error.answer
            return answer

        return guarded

    def _authenticate(self, request: web.Request) -> None:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        try:
            user, _, password = base64.b64decode(text).decode().partition(":")
        except ValueError:
            user = password = ""
        secrets = {self.carrier.account_sid: self.carrier.auth_token, **self.api_keys}
        if scheme != "Basic" or secrets.get(user) != password:
            raise ApiError(401, 20003, "Authenticate")
        if request.match_info["account"] != self.carrier.account_sid:
            raise ApiError(404, 20404, "The requested resource was not found")

    async def _form(self, request: web.Request, fields: dict[str, forms.Check]) -> list[tuple[str, str]]:
        if request.content_type != "application/x-www-form-urlencoded":
            self.violation(f"{request.method} {request.path} is {request.content_type}, not a form")
        form = parse_qsl((await request.read()).decode(), keep_blank_values=True)
        found = forms.judge(form, fields)
        for problem in found:
            self.violation(f"{request.match_info.route.name}: {problem}")
        if found:
            codes = {"To": 21211, "From": 21212, "Url": 21205, "Timeout": 21208, "StatusCallback": 21609}
            raise ApiError(400, codes.get(found[0].split()[0], 20001), found[0])
        return form

    def _call(self, request: web.Request) -> PhoneCall:
        for call in self.carrier.calls:
            if call.sid == request.match_info["id"]:
                return call
        raise ApiError(404, 20404, "The requested resource was not found")

    # ---- the account

    async def _account(self, _: web.Request) -> web.Response:
        return web.json_response(
            {"sid": self.carrier.account_sid, "status": "active", "type": "Full", "friendly_name": "Test"}
        )

    async def _numbers(self, _: web.Request) -> web.Response:
        found = [self.number(n).json(self.carrier.account_sid) for n in sorted(self.numbers or ())]
        return web.json_response({"incoming_phone_numbers": found, "next_page_uri": None})

    def number(self, number: str) -> Number:
        """One of the account's numbers; its calls are sent to the carrier's voice_url until somebody changes that."""
        if number not in self.held:
            self.held[number] = Number(number, facts={"voice_url": self.carrier.voice_url})
        return self.held[number]

    async def _update_number(self, request: web.Request) -> web.Response:
        found = next((n for n in self.held.values() if n.sid == request.match_info["id"]), None)
        if found is None:
            raise ApiError(404, 20404, "The requested resource was not found")
        found.update(dict(await self._form(request, UPDATE_NUMBER)))
        return web.json_response(found.json(self.carrier.account_sid))

    # ---- calls

    def json(self, call: PhoneCall, *, status: str | None = None) -> dict[str, Any]:
        """A call as the API shows it."""
        uri = f"/{VERSION}/Accounts/{self.carrier.account_sid}/Calls/{call.sid}"
        return {
            "sid": call.sid,
            "account_sid": self.carrier.account_sid,
            "api_version": VERSION,
            "status": status or call.status,
            "to": call.to,
            "to_formatted": call.to,
            "from": call.from_,
            "from_formatted": call.from_,
            "direction": call.direction,
            "date_created": call.times["created"],
            "date_updated": rfc2822(),
            "start_time": call.times.get("start"),
            "end_time": call.times.get("end"),
            "duration": str(call.duration) if call.over else None,
            "price": None,
            "price_unit": "USD",
            "answered_by": dict(call.extra).get("AnsweredBy"),
            "parent_call_sid": None,
            "forwarded_from": None,
            "caller_name": None,
            "queue_time": "0",
            "phone_number_sid": None,
            "group_sid": None,
            "trunk_sid": "",
            "annotation": None,
            "uri": f"{uri}.json",
            "subresource_uris": {"recordings": f"{uri}/Recordings.json", "streams": f"{uri}/Streams.json"},
        }

    async def _create(self, request: web.Request) -> web.Response:
        form = await self._form(request, forms.CREATE_CALL)
        fields = dict(form)
        if "To" not in fields:
            raise ApiError(400, 21201, "No 'To' number is specified")
        if "From" not in fields:
            raise ApiError(400, 21213, "No 'From' number is specified")
        if self.numbers is not None and fields["From"] not in self.numbers:
            raise ApiError(400, 21210, "'From' is not a number of this account")
        if "Url" not in fields and "Twiml" not in fields:
            raise ApiError(400, 21205, "Url parameter is required")
        call = self.dialler.create(fields, [v for k, v in form if k == "StatusCallbackEvent"])
        self.pulse.beat()
        return web.json_response(self.json(call), status=201)

    async def _fetch(self, request: web.Request) -> web.Response:
        return web.json_response(self.json(self._call(request)))

    async def _update(self, request: web.Request) -> web.Response:
        call = self._call(request)
        fields = dict(await self._form(request, forms.UPDATE_CALL))
        status = fields.get("Status")
        if sum(name in fields for name in ("Status", "Url", "Twiml")) != 1:
            self.violation("update_call: one of Status, Url and Twiml is wanted")
            raise ApiError(400, 20001, "One of Status, Url, Twiml is required")
        if call.over or (status == "canceled" and call.answered_at is not None):
            raise ApiError(400, 21220, "Call is not in-progress. Cannot redirect.")
        self.carrier.spawn(call.update(twiml=fields.get("Twiml"), url=fields.get("Url"), status=status))
        return web.json_response(self.json(call, status=status))

    async def _list(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        size, page = int(query.pop("PageSize", "50")), int(query.pop("Page", "0"))
        query.pop("PageToken", None)
        found = [c for c in reversed(self.carrier.calls) if self._matches(c, query)]
        piece = found[page * size : (page + 1) * size]
        more = len(found) > (page + 1) * size
        uri = f"{request.path}?PageSize={size}&Page={page + 1}"
        for name, value in query.items():
            uri += f"&{name}={value}".replace("+", "%2B").replace(">", "%3E").replace("<", "%3C")
        body = {"calls": [self.json(c) for c in piece], "page": page, "page_size": size, "uri": request.path_qs}
        return web.json_response({**body, "next_page_uri": uri if more else None})

    def _matches(self, call: PhoneCall, query: dict[str, str]) -> bool:
        facts = {"To": call.to, "From": call.from_, "Status": call.status}
        began = parsedate_to_datetime(call.times.get("start", call.times["created"]))
        for name, value in query.items():
            if name in facts:
                if facts[name] != value:
                    return False
            elif name.startswith("StartTime"):
                moment = datetime.fromisoformat(value)
                moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
                if (name.endswith(">") and began < moment) or (name.endswith("<") and began > moment):
                    return False
                if name == "StartTime" and began.date() != moment.date():
                    return False
            else:
                self.violation(f"calls: undocumented filter {name!r}")
        return True

    # ---- recordings

    def _all_recordings(self) -> list[tuple[PhoneCall, Recording]]:
        return [(c, r) for c in self.carrier.calls for r in c.recordings]

    def _find(self, name: str) -> tuple[PhoneCall, Recording]:
        for call, recording in self._all_recordings():
            if recording.sid == name:
                return call, recording
        raise ApiError(404, 20404, "The requested resource was not found")

    def _recording_json(self, call: PhoneCall, recording: Recording) -> dict[str, Any]:
        uri = f"/{VERSION}/Accounts/{self.carrier.account_sid}/Recordings/{recording.sid}.json"
        return {
            "sid": recording.sid,
            "call_sid": call.sid,
            "account_sid": self.carrier.account_sid,
            "status": "completed" if call.over else recording.status,
            "channels": int(recording.channels),
            "source": recording.source,
            "duration": str(call.duration) if call.over else None,
            "uri": uri,
        }

    async def _record(self, request: web.Request) -> web.Response:
        call = self._call(request)
        fields = dict(await self._form(request, forms.RECORDING))
        if call.over or call.answered_at is None:
            raise ApiError(400, 21220, "Call is not in-progress")
        channels = fields.get("RecordingChannels", "mono")
        recording = call.keep_recording(fields.get("RecordingStatusCallback", ""), "StartCallRecordingAPI", channels)
        return web.json_response(self._recording_json(call, recording), status=201)

    async def _update_recording(self, request: web.Request) -> web.Response:
        call = self._call(request)
        fields = dict(await self._form(request, forms.UPDATE_RECORDING))
        name = request.match_info["recording"]
        if not call.recordings or name not in ("Twilio.CURRENT", *(r.sid for r in call.recordings)):
            raise ApiError(404, 20404, "The requested resource was not found")
        recording = call.recordings[-1] if name == "Twilio.CURRENT" else self._find(name)[1]
        recording.status = fields["Status"]
        return web.json_response(self._recording_json(call, recording))

    async def _recordings(self, _: web.Request) -> web.Response:
        found = [self._recording_json(c, r) for c, r in self._all_recordings()]
        return web.json_response({"recordings": found, "next_page_uri": None})

    async def _recording(self, request: web.Request) -> web.Response:
        return web.json_response(self._recording_json(*self._find(request.match_info["id"])))

    async def _sound(self, request: web.Request) -> web.Response:
        call, _ = self._find(request.match_info["id"])
        if not call.over:
            raise ApiError(404, 20404, "The requested resource was not found")
        out = io.BytesIO()
        with wave.open(out, "wb") as f:
            f.setnchannels(1)
            f.setsampwidth(2)
            f.setframerate(8000)
            f.writeframes(mulaw_decode(call.heard).tobytes())
        return web.Response(body=out.getvalue(), content_type="audio/x-wav")

    async def _delete_recording(self, request: web.Request) -> web.Response:
        call, recording = self._find(request.match_info["id"])
        call.recordings.remove(recording)
        return web.Response(status=204)

    # ---- messages

    async def _message(self, request: web.Request) -> web.Response:
        fields = dict(await self._form(request, forms.CREATE_MESSAGE))
        if "To" not in fields:
            raise ApiError(400, 21604, "'To' is required")
        if "From" not in fields and "MessagingServiceSid" not in fields:
            raise ApiError(400, 21603, "'From' or 'MessagingServiceSid' is required")
        if not fields.get("Body") and "MediaUrl" not in fields:
            raise ApiError(400, 21602, "Message body is required")
        if fields["To"] in self.texts.opted_out:
            raise ApiError(400, 21610, "Attempt to send to unsubscribed recipient")
        return web.json_response(self.texts.send(fields), status=201)

    async def _message_of(self, request: web.Request) -> web.Response:
        found = self.texts.sent.get(request.match_info["id"])
        if found is None:
            raise ApiError(404, 20404, "The requested resource was not found")
        return web.json_response(found)


def failing(status: int, code: int, message: str = "made to fail") -> dict[str, Any]:
    """For `fault`: an error in Twilio's shape: `rest.fault("create_call", **failing(429, 20429))`."""
    return {"status": status, "body": ApiError(status, code, message).answer.text}
