"""Text messages that a bridge sends, and what becomes of them."""

from typing import TYPE_CHECKING, Any

from .ids import rfc2822, sid

if TYPE_CHECKING:
    from .carrier import Carrier
    from .dialling import Dialler


class Messages:
    """What was sent: `sent` by sid, as the API shows it; `opted_out` numbers are refused (21610)."""

    def __init__(self, carrier: "Carrier", dialler: "Dialler") -> None:
        self.carrier, self.dialler = carrier, dialler
        self.sent: dict[str, dict[str, Any]] = {}
        self.opted_out: set[str] = set()

    def send(self, fields: dict[str, str]) -> dict[str, Any]:
        """Queue a message; its callbacks follow."""
        message = {
            "sid": sid("SM"),
            "account_sid": self.carrier.account_sid,
            "status": "queued",
            "direction": "outbound-api",
            "to": fields["To"],
            "from": fields.get("From"),
            "messaging_service_sid": fields.get("MessagingServiceSid"),
            "body": fields.get("Body", ""),
            "num_segments": "1",
            "num_media": "0",
            "error_code": None,
            "error_message": None,
            "date_created": rfc2822(),
            "api_version": "2010-04-01",
        }
        self.sent[str(message["sid"])] = message
        self.carrier.spawn(self._deliver(message, fields.get("StatusCallback", "")))
        return dict(message)

    async def _deliver(self, message: dict[str, Any], url: str) -> None:
        for status in ("sent", self.dialler.person(message["to"]).text):
            message["status"] = status
            if not url:
                continue
            form = [
                ("MessageSid", message["sid"]),
                ("SmsSid", message["sid"]),
                ("AccountSid", self.carrier.account_sid),
            ]
            form += [
                ("MessageStatus", status),
                ("SmsStatus", status),
                ("To", message["to"]),
                ("From", message["from"] or ""),
            ]
            form.append(("ApiVersion", "2010-04-01"))
            if status in ("undelivered", "failed"):
                message["error_code"] = 30003
                form.append(("ErrorCode", "30003"))
            await self.carrier.call_back("message", url, form)
