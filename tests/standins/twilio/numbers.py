"""The account's phone numbers, and where their calls are sent."""

from dataclasses import dataclass, field

from . import forms
from .ids import sid

UPDATE_NUMBER: dict[str, forms.Check] = {
    "VoiceUrl": forms.url,
    "VoiceMethod": forms.METHOD,
    "VoiceFallbackUrl": forms.url,
    "VoiceFallbackMethod": forms.METHOD,
    "StatusCallback": forms.url,
    "StatusCallbackMethod": forms.METHOD,
    "SmsUrl": forms.url,
    "SmsMethod": forms.METHOD,
    "VoiceApplicationSid": lambda value: value == "",  # set by hand in the console; only taken away from here
    "SmsApplicationSid": lambda value: value == "",
    "TrunkSid": lambda value: value == "",
}
NAMES = {
    "VoiceUrl": "voice_url",
    "VoiceMethod": "voice_method",
    "VoiceFallbackUrl": "voice_fallback_url",
    "VoiceFallbackMethod": "voice_fallback_method",
    "StatusCallback": "status_callback",
    "StatusCallbackMethod": "status_callback_method",
    "SmsUrl": "sms_url",
    "SmsMethod": "sms_method",
    "VoiceApplicationSid": "voice_application_sid",
    "SmsApplicationSid": "sms_application_sid",
    "TrunkSid": "trunk_sid",
}


@dataclass
class Number:
    """A number of the account: `facts` as the API shows them, `updates` as they came."""

    number: str
    sid: str = field(default_factory=lambda: sid("PN"))
    facts: dict[str, str] = field(default_factory=dict)
    updates: list[dict[str, str]] = field(default_factory=list)

    def update(self, fields: dict[str, str]) -> None:
        """Change what was sent."""
        self.updates.append(fields)
        self.facts |= {NAMES[name]: value for name, value in fields.items()}

    def json(self, account: str) -> dict[str, object]:
        """As the API shows it."""
        blank = {name: "POST" if name.endswith("_method") else "" for name in NAMES.values()}
        return {
            "sid": self.sid,
            "account_sid": account,
            "phone_number": self.number,
            "friendly_name": self.number,
            **blank,
            **self.facts,
            "uri": f"/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{self.sid}.json",
        }
