"""What Twilio's error codes and SIP's answers mean, in words, and what to do about them.

Sources: Twilio, "Error and Warning Dictionary"; RFC 3261 section 21.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Explanation:
    """What happened, and the remedy ("" where there is none)."""

    meaning: str
    remedy: str = ""


_CODES: Final = {
    10004: Explanation("the account may hold no more calls at once", "Lower max_concurrent or ask Twilio for more."),
    11200: Explanation("Twilio could not fetch a webhook", "Check public_url and that the bridge answers there."),
    11205: Explanation("Twilio could not connect to a webhook", "Check public_url, its DNS name and its firewall."),
    12100: Explanation("Twilio could not read our TwiML", "Report this: the bridge builds TwiML itself."),
    13214: Explanation("the caller id of a transfer is not allowed", "Use a number of this account as caller id."),
    13223: Explanation("the number of a transfer is not possible", "Correct it in [transfers] or the line's fallback."),
    13224: Explanation("Twilio cannot reach the number of a transfer", "Correct it in [transfers] or the fallback."),
    13225: Explanation("the number of a transfer is forbidden", "Choose another number."),
    13227: Explanation("the country of a transfer is not enabled", "Enable it under Voice geographic permissions."),
    20003: Explanation("the credentials were refused", "Check account_sid and auth_token of [carriers.twilio]."),
    20404: Explanation("Twilio knows no such thing", "Check the id, and that it belongs to this account."),
    20429: Explanation("too many requests at once", "Lower calls_per_second."),
    21201: Explanation("no number to call was given"),
    21203: Explanation("calls to that country are not enabled", "Enable it under Voice geographic permissions."),
    21205: Explanation("Twilio does not accept the webhook's address", "public_url must be a public https address."),
    21208: Explanation("the ring time is out of range", "Use 5 to 600 seconds."),
    21210: Explanation("the calling number is not of this account", "Call from a number that the account owns."),
    21211: Explanation("the number to call is not possible", "Give it as +, country code and number."),
    21212: Explanation("the calling number is not possible", "Give it as +, country code and number."),
    21214: Explanation("the number cannot be reached", "Check the number."),
    21215: Explanation("calls to that region are not permitted", "Enable it under Voice geographic permissions."),
    21216: Explanation("calls to that number are blocked", "Ask Twilio's support why."),
    21217: Explanation("the number does not seem to be one", "Give it as +, country code and number."),
    21219: Explanation("a trial account calls verified numbers only", "Verify the number or upgrade the account."),
    21220: Explanation("the call is not in progress (any more)"),
    21223: Explanation("Twilio does not accept the address for status updates", "public_url must be a public address."),
    21408: Explanation(
        "messages to that region are not permitted", "Enable it under Messaging geographic permissions."
    ),
    21606: Explanation("the sending number cannot send messages", "Use a number with SMS."),
    21609: Explanation("Twilio does not accept the address for status updates", "public_url must be a public address."),
    21610: Explanation("the person has opted out of messages", "Do not write to this person."),
    21611: Explanation("the sending number's queue is full", "Try again later, or from more numbers."),
    21612: Explanation("there is no way from this number to that one", "Send from a number of that country."),
    21614: Explanation("the number cannot receive messages", "Use a mobile number."),
    30007: Explanation("the message was filtered by a carrier", "Change its text; register the sender."),
    30034: Explanation("the sending number is not registered for A2P 10DLC", "Register the brand and campaign."),
    31901: Explanation("the media socket was not answered in time", "Check media_url or public_url, and port 443."),
    31910: Explanation("TLS of the media socket failed", "Check the certificate and its chain."),
    31920: Explanation("the media socket's handshake was refused", "Check media_url, the proxy and the signature."),
    31921: Explanation("our side closed the media socket"),
    31924: Explanation("Twilio did not understand a message of ours", "Report this: the bridge builds it itself."),
    31930: Explanation("our side read too slowly; sound was lost", "Give the bridge more processor time."),
    31941: Explanation("the stream's track is not possible"),
    31951: Explanation("Twilio refused a message of the stream"),
}

_SIP: Final = {
    403: Explanation("the network forbade the call", "Check the caller id and the destination's permissions."),
    404: Explanation("the number is not assigned", "Check the number."),
    408: Explanation("the network did not answer in time", "Try again later."),
    410: Explanation("the number is gone", "Remove it."),
    480: Explanation("the phone is switched off or out of reach", "Try again later."),
    484: Explanation("the number is incomplete", "Check the number."),
    486: Explanation("the line is busy", "Try again later."),
    487: Explanation("the call was given up before it was answered"),
    488: Explanation("the other network accepts no sound that Twilio offers"),
    500: Explanation("the other network failed", "Try again later."),
    502: Explanation("a network on the way failed", "Try again later."),
    503: Explanation("the network is overloaded or the route is down", "Try again later."),
    504: Explanation("a network on the way did not answer", "Try again later."),
    600: Explanation("the person is busy everywhere", "Try again later."),
    603: Explanation("the call was declined", "Respect it."),
    604: Explanation("the number exists nowhere", "Check the number."),
    607: Explanation("the person does not want this call", "Do not call again."),
    608: Explanation(
        "an intermediary blocked the call as unwanted", "Register the calling number; check its reputation."
    ),
}


def explain_code(code: int) -> Explanation:
    """What an error code of Twilio's means. Unknown ones point to Twilio's dictionary."""
    known = _CODES.get(code)
    if known is not None:
        return known
    if code == 0:
        return Explanation("Twilio gave no code")
    return Explanation(f"Twilio's error {code}", f"See https://www.twilio.com/docs/api/errors/{code}")


def explain_sip(code: int) -> Explanation:
    """What the final answer of the telephone network means (SIP status code)."""
    known = _SIP.get(code)
    if known is not None:
        return known
    kinds = {4: "the network refused the call", 5: "the network failed", 6: "the call was refused everywhere"}
    return Explanation(f"{kinds.get(code // 100, 'the network answered')} (SIP {code})")
