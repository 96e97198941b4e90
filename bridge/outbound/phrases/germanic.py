"""English, German, Dutch."""

from __future__ import annotations

from typing import Final

from bridge.outbound.phrases.shape import Phrases

ENGLISH: Final = Phrases(
    void=(
        r"(?:don't|do not|no) (?:want|need|wish|have)?(?: to)? ?(?:reschedule|another (?:day|time)|move it|move the appointment)",
        r"(?:rather|prefer) not (?:to )?reschedule",
        r"not (?:a|the) wrong (?:number|person)",
        r"(?:don't|do not) call (?:me |us |here )?(?:before|until|till)",
        r"(?:can|could|would|will|did|do) (?:you|they) (?:please )?confirm(?:ed)?",
    ),
    opted_out=(
        r"stop calling",
        r"(?:don't|do not) (?:ever )?call",
        r"take (?:me|us|my number|this number) off",
        r"remove (?:me|us|my number|this number)",
        r"never call",
        r"no more calls",
        r"unsubscribe",
    ),
    wrong_number=(
        r"wrong (?:number|person)",
        r"(?:no one|nobody) (?:here )?(?:by|of|with) that name",
        r"(?:doesn't|does not) live here",
    ),
    rescheduled=(
        r"reschedul\w+",
        r"(?:another|different) (?:day|time|date)",
        r"move (?:it|the appointment|my appointment)",
    ),
    confirmed=(
        r"(?:i|we)(?:'ll| will|ll) be there",
        r"confirm(?:ed)?",
        r"that works",
        r"works for (?:me|us)",
        r"i can make it",
        r"see you (?:then|there)",
    ),
    against=(r"not", r"\w+n't", r"cannot", r"cant", r"wont", r"never", r"unable", r"unless", r"if", r"whether"),
    doubt=(
        r"maybe",
        r"perhaps",
        r"(?:not|un) ?sure",
        r"i (?:think|guess|suppose|hope)",
        r"might",
        r"probably",
        r"possibly",
        r"(?:don't|do not) know",
        r"(?:have|need|want) to (?:check|ask|confirm with)",
        r"let me check",
        r"(?:i'll|i will) try",
        r"(?:can't|cannot|can not|won't|will not) (?:make|come|be there|confirm|attend)",
        r"cancel\w*",
    ),
)

GERMAN: Final = Phrases(
    void=(
        r"(?:nicht|nichts) (?:zu )?(?:verschieben|verlegen|umbuchen)",
        r"kein\w* ander\w+ (?:tag|termin|zeit)",
        r"nicht die falsche (?:nummer|person)",
        r"bestatigen sie",
    ),
    opted_out=(
        r"ruf\w* (?:(?:sie|mich|uns|hier|bitte) )*(?:nicht|nie)(?: bitte)? (?:mehr|wieder)",
        r"(?:nicht|nie) (?:mehr|wieder) (?:an|angerufen|anrufen)",
        r"(?:hor\w*) (?:sie )?(?:bitte )?auf,? (?:mich |uns |hier )?anzurufen",
        r"(?:streich|losch|nehm|entfern)\w* (?:sie )?(?:bitte )?(?:mich|uns|meine nummer|diese nummer)",
        r"nimm mich",
        r"keine (?:weiteren )?anrufe(?: mehr)?",
    ),
    wrong_number=(
        r"falsche (?:nummer|person)",
        r"falsch verbunden",
        r"verwahlt",
        r"(?:niemand\w*|kein\w*) (?:hier )?(?:(?:mit|unter) (?:diesem|dem) namen|dieses namens)",
        r"wohnt (?:hier )?nicht(?: mehr)?(?: hier)?",
    ),
    rescheduled=(
        r"(?:verschieb\w*|verschoben|verlegen|umbuchen)",
        r"ander(?:er|en|em|es|e) (?:tag|termin|zeit|uhrzeit|datum|mal)",
        r"ein andermal",
    ),
    confirmed=(
        r"(?:ich|wir)(?: \w+)? bestatigen?",
        r"bestatige(?:n)? (?:ich|wir|den|das|hiermit)",
        r"bestatigt",
        r"(?:ich|wir) (?:werden?|bin|sind) (?:\w+ ){0,3}da",
        r"(?:ich|wir) kommen?(?! aus| von| darauf)",
        r"(?:bin|sind) (?:ich |wir )?(?:dann )?dabei",
        r"(?:das|der termin|es) passt",
        r"passt (?:mir|uns)",
    ),
    against=(r"nicht", r"nie", r"niemals", r"kein\w*", r"kaum", r"wenn", r"falls", r"ob", r"ausser", r"leider", r"nur"),
    doubt=(
        r"vielleicht",
        r"eventuell",
        r"(?:wahrscheinlich|vermutlich|moglicherweise)",
        r"unsicher",
        r"(?:weiss|wusste)(?: ich)?(?: es)?(?: noch)? nicht",
        r"(?:ich )?(?:glaube|denke|hoffe)",
        r"mal (?:sehen|schauen)",
        r"muss (?:ich )?(?:erst|noch|mal)",
        r"versuche",
        r"(?:kann|konnen|schaffe|schaffen|komme|kommen) (?:\w+ ){0,4}nicht",
        r"(?:absag\w*|abgesagt|storn\w+)",
        r"sagen? (?:\w+ ){0,3}ab",
    ),
)

DUTCH: Final = Phrases(
    void=(
        r"niet (?:te )?(?:verzetten|verplaatsen|uitstellen)",
        r"geen andere (?:dag|tijd|afspraak)",
        r"niet het verkeerde nummer",
        r"(?:kunt|kan|kun) (?:u|je) (?:\w+ )?bevestigen",
    ),
    opted_out=(
        r"bel\w* (?:(?:u|je|me|mij|ons|hier|alstublieft) )*(?:niet|nooit) (?:meer|weer)",
        r"(?:niet|nooit) (?:meer |langer )(?:bellen|gebeld)",
        r"(?:stop|houd?)(?: op)? met (?:mij |me |ons |te )*bellen",
        r"(?:haal|verwijder|schrap) (?:u )?(?:alstublieft )?(?:me|mij|ons|mijn nummer)",
        r"geen (?:telefoontjes|oproepen) meer",
    ),
    wrong_number=(
        r"verkeerde? (?:nummer|persoon|verbonden)",
        r"niemand (?:hier )?(?:met|van) die naam",
        r"woont (?:hier )?niet(?: meer)?(?: hier)?",
    ),
    rescheduled=(
        r"verzetten",
        r"verplaats\w*",
        r"uitstellen",
        r"andere? (?:dag|tijd|tijdstip|moment|datum|keer|afspraak)",
    ),
    confirmed=(
        r"(?:ik|wij|we) bevestig(?:en)?",
        r"bevestig ik",
        r"bevestigd",
        r"(?:ik|wij|we) (?:ben|zijn|zal|zullen) (?:\w+ ){0,2}(?:er|aanwezig)",
        r"(?:ik|wij|we) kom(?:en)? (?:graag|langs|zeker)",
        r"(?:dat|het) (?:past|komt (?:mij |me |ons )?(?:goed |prima )?uit)",
        r"reken(?:t u)? (?:maar )?op (?:mij|me|ons)",
    ),
    against=(r"niet", r"nooit", r"geen", r"als", r"tenzij", r"nauwelijks", r"helaas", r"alleen"),
    doubt=(
        r"misschien",
        r"wellicht",
        r"(?:ik )?(?:denk|geloof|hoop)",
        r"(?:waarschijnlijk|mogelijk)",
        r"onzeker",
        r"niet zeker",
        r"weet (?:ik )?(?:het )?(?:nog )?niet",
        r"probeer",
        r"even (?:kijken|nagaan|checken)",
        r"kan (?:\w+ ){0,3}niet",
        r"(?:annuleer|annuleren|afzeggen|afgezegd)",
    ),
)
