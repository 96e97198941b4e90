"""What people say on the phone of an appointment, a table for each language: data, to be added to.

Everything is written as ``said.fold`` leaves it: small letters, no accents, ``ss`` for sharp s. Each entry is a regular
expression between word boundaries. Rather too narrow than too wide: what is not understood is ``talked``, and a person reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """``void`` is struck out first: it holds a phrase of another list and does not mean it.

    ``confirmed`` counts where its sentence holds nothing of ``against``; ``doubt`` and a refusal take back what was confirmed
    before, too.
    """

    void: tuple[str, ...]
    opted_out: tuple[str, ...]
    wrong_number: tuple[str, ...]
    rescheduled: tuple[str, ...]
    confirmed: tuple[str, ...]
    against: tuple[str, ...]
    doubt: tuple[str, ...]


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

SPANISH: Final = Phrases(
    void=(
        r"no (?:quiero|necesito|hace falta|es necesario) (?:reprogram\w+|cambiar\w*|mover\w*|aplazar\w*|posponer\w*|otr[oa])",
        r"no es (?:un |el )?numero equivocado",
        r"no (?:me |nos )?llame[ns]? (?:antes|hasta)",
        r"(?:puede|podria|me) (?:usted )?confirmar(?:me)?",
    ),
    opted_out=(
        r"no (?:me |nos )?(?:vuelvan?|vuelvas) a llamar\w*",
        r"no (?:me|nos) llame[ns]?",
        r"no llame[ns]? mas",
        r"dejen? de llamar\w*",
        r"(?:quit|borr|sa(?:c|qu)|elimin)(?:e|en)(?:me|nos) de",
        r"den?me de baja",
        r"no quiero (?:recibir )?mas llamadas",
    ),
    wrong_number=(
        r"(?:numero equivocado|persona equivocada)",
        r"se (?:ha|han) equivocado",
        r"(?:no (?:hay|vive)(?: aqui)?|aqui no (?:hay|vive)) nadie (?:con|de) ese nombre",
    ),
    rescheduled=(
        r"reprogram\w+",
        r"otr[oa] (?:dia|hora|fecha|momento)",
        r"cambiar (?:la cita|mi cita|la hora|el dia|la fecha|de dia|de hora)",
        r"(?:mover|aplazar|posponer|adelantar) (?:la|mi) cita",
        r"(?:aplazar|posponer)la",
    ),
    confirmed=(
        r"confirm(?:o|amos|ado|ada)",
        r"(?:quiero|puedo) confirmar\w*",
        r"(?:alli|ahi) estar(?:e|emos)",
        r"estar(?:e|emos) (?:alli|ahi)",
        r"asistir(?:e|emos)",
        r"(?:me|nos) (?:viene|va) bien",
        r"cuente[ns]? conmigo",
    ),
    against=(r"no(?!,)", r"nunca", r"tampoco", r"jamas", r"imposible", r"a menos"),
    doubt=(
        r"quizas?",
        r"tal vez",
        r"a lo mejor",
        r"creo",
        r"supongo",
        r"espero",
        r"no (?:lo )?se",
        r"no estoy segur[oa]",
        r"puede que",
        r"(?:posible|probable|segura)mente",
        r"tengo que (?:ver|mirar|consultar)",
        r"si (?:puedo|podemos|me es posible|todo va bien)",
        r"intentare",
        r"no (?:puedo|podre|podremos|voy a (?:poder|ir|estar))",
        r"(?:cancel|anul)(?:ar|o|e|en|ada|ado)\w*",
    ),
)

FRENCH: Final = Phrases(
    void=(
        r"(?:pas|inutile|plus)(?: besoin)? (?:de |d')?(?:le |la )?(?:reporter|deplacer|decaler|repousser|changer)",
        r"pas (?:un |le )?(?:mauvais|faux) numero",
        r"(?:appelez|appeler)[- ]?(?:moi )?pas avant",
        r"(?:pouvez|pourriez)[- ]vous (?:me )?confirmer",
    ),
    opted_out=(
        r"(?:ne )?(?:m'|me |nous )(?:r?appelez|r?appelle|telephonez) (?:plus|jamais)",
        r"ne (?:m'|me |nous )?(?:r?appelez|telephonez) pas(?! avant)",
        r"arretez de (?:m'|me |nous )?(?:appeler|telephoner|rappeler)",
        r"(?:retirez|enlevez|supprimez|rayez|effacez)[- ](?:moi|nous|mon numero|ce numero)",
        r"plus (?:d'appels?|etre appele\w*)",
        r"(?:desabonn|desinscri)\w+",
    ),
    wrong_number=(
        r"(?:mauvais|faux) numero",
        r"mauvaise personne",
        r"erreur de numero",
        r"tromp\w+ de (?:numero|personne)",
        r"vous vous (?:etes trompe\w*|trompez)",
        r"personne (?:ici )?(?:de|a) ce nom",
    ),
    rescheduled=(
        r"autre (?:jour|moment|date|heure|horaire|creneau)",
        r"(?:reporter|deplacer|decaler|repousser|avancer) (?:le|mon|ce|notre|la|a|au|l')",
        r"(?:peut|peux|pouvons|voudrais|pourrait|faut|faudrait|souhaite|possible de) (?:le )?(?:reporter|decaler|repousser)",
        r"changer (?:de |la |le |l')(?:date|jour|heure|rendez[- ]vous)",
    ),
    confirmed=(
        r"(?:je|nous|on)(?: vous| le| la)? confirm(?:e|ons)",
        r"(?:c'est|bien) confirme",
        r"je (?:peux|veux|voudrais)(?: vous| le)? confirmer",
        r"(?:j'y|nous y|on y) ser(?:ai|ons|a)",
        r"(?:je serai|nous serons|on sera) (?:la|present\w*)",
        r"je viendrai",
        r"(?:ca|cela) (?:me |nous )(?:va|convient)",
        r"comptez sur (?:moi|nous)",
    ),
    against=(
        r"pas",
        r"plus",
        r"jamais",
        r"ne",
        r"n'\w+",
        r"impossible",
        r"sauf",
        r"a moins",
        r"si (?:je|on|nous)",
        r"si j'\w+",
    ),
    doubt=(
        r"peut[- ]etre",
        r"je (?:pense|crois|suppose)",
        r"j'espere",
        r"pas (?:sure?|certaine?)",
        r"sais pas",
        r"sans doute",
        r"(?:probablement|eventuellement)",
        r"il se peut",
        r"j'essaierai",
        r"je vais (?:voir|essayer|verifier)",
        r"(?:peux|pourrai|pouvons|pourrons|serai|viendrai|viens) pas",
        r"annul\w+",
        r"empeche\w*",
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

ITALIAN: Final = Phrases(
    void=(
        r"non (?:voglio|serve|occorre|devo|bisogna) (?:spostar\w*|rinviar\w*|rimandar\w*|cambiar\w*)",
        r"non e (?:il |un )?numero sbagliato",
        r"non (?:mi |ci )?(?:chiam|telefon)\w+ prima",
        r"(?:puo|potete|mi|potrebbe) confermar\w*",
    ),
    opted_out=(
        r"non (?:mi|ci) (?:chiam|richiam|telefon)\w+",
        r"non (?:chiam|richiam|telefon)\w+ (?:piu|mai)",
        r"smett\w+ di (?:chiamar|telefonar)\w+",
        r"(?:toglietemi|mi tolga|cancellatemi|mi cancelli|rimuovetemi|mi rimuova|eliminatemi)",
        r"non voglio (?:piu |ricevere |essere )+(?:chiamat\w*|chiamate|telefonate)",
    ),
    wrong_number=(
        r"numero sbagliato",
        r"persona sbagliata",
        r"(?:ha|avete|hai) sbagliato (?:numero|persona)",
        r"nessuno (?:qui )?(?:con|di) (?:questo|quel) nome",
    ),
    rescheduled=(
        r"altr[oa] (?:giorno|ora|orario|data|momento|volta)",
        r"(?:spostar|rinviar|rimandar|riprogrammar|posticipar|anticipar)\w+",
        r"cambiare (?:il |la |l')?(?:giorno|ora|orario|data|appuntamento)",
    ),
    confirmed=(
        r"conferm(?:o|iamo|ato|ata)",
        r"(?:voglio|posso) confermar\w+",
        r"ci (?:saro|saremo)",
        r"(?:verro|verremo)",
        r"(?:mi|ci) va bene",
        r"va bene per (?:me|noi)",
        r"cont\w+ su di (?:me|noi)",
    ),
    against=(r"non", r"mai", r"nemmeno", r"neanche", r"se", r"impossibile", r"a meno"),
    doubt=(
        r"forse",
        r"magari",
        r"(?:credo|penso|spero)",
        r"non (?:lo )?so",
        r"non sono sicur[oa]",
        r"probabilmente",
        r"puo darsi",
        r"(?:provero|cerchero)",
        r"devo (?:vedere|controllare|verificare)",
        r"non (?:posso|riesco|potro|riusciro|vengo|verro|ci saro)",
        r"(?:annull|disdi|cancell)\w+",
    ),
)

PORTUGUESE: Final = Phrases(
    void=(
        r"nao (?:quero|preciso|e preciso|e necessario)(?: de)? (?:remarcar|reagendar|mudar|alterar|adiar)",
        r"nao e (?:o |um )?numero errado",
        r"nao (?:me )?liguem? (?:antes|ate)",
        r"(?:pode|podem|poderia) (?:me )?confirmar",
    ),
    opted_out=(
        r"nao (?:me|nos) (?:liguem?|telefonem?|contactem?)",
        r"nao (?:liguem?|voltem? a ligar|me voltem? a ligar)(?: mais)?",
        r"par(?:e|em) de (?:me |nos )?(?:ligar|telefonar)",
        r"(?:me (?:tir|retir)em?|(?:tir|retir)em?[- ]me|me removam?|removam?[- ]me)",
        r"nao quero (?:mais |receber )*(?:ligacoes|chamadas)",
    ),
    wrong_number=(
        r"(?:numero errado|pessoa errada)",
        r"(?:e|foi) engano",
        r"(?:se enganou|enganou-se|enganaram-se)",
        r"ninguem (?:aqui )?com (?:esse|este) nome",
    ),
    rescheduled=(
        r"(?:remarcar|remarcamos|reagend\w+)",
        r"outr[oa] (?:dia|hora|horario|data|altura|momento)",
        r"(?:mudar|alterar|trocar) (?:o |a |de )?(?:dia|hora|horario|data|consulta|marcacao)",
        r"adiar",
    ),
    confirmed=(
        r"confirm(?:o|amos|ado|ada)",
        r"(?:quero|posso) confirmar",
        r"(?:estarei|estaremos) (?:la|ai|presentes?)",
        r"la estarei",
        r"(?:vou|iremos) (?:la estar|estar la|comparecer)",
        r"pode[mn]? contar comigo",
        r"por mim (?:esta|tudo) (?:bem|otimo|certo)",
    ),
    against=(r"nao(?!,)", r"nunca", r"nem", r"jamais", r"impossivel", r"a menos", r"se"),
    doubt=(
        r"talvez",
        r"se calhar",
        r"(?:acho|creio|espero)",
        r"nao sei",
        r"nao tenho (?:a )?certeza",
        r"provavelmente",
        r"pode ser",
        r"vou (?:tentar|ver)",
        r"tenho (?:de|que) (?:ver|verificar)",
        r"nao (?:posso|consigo|vou|poderei|estarei)",
        r"(?:cancel|desmarc|anul)\w+",
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

PHRASES: Final[Mapping[str, Phrases]] = {
    "en": ENGLISH,
    "es": SPANISH,
    "fr": FRENCH,
    "de": GERMAN,
    "it": ITALIAN,
    "pt": PORTUGUESE,
    "nl": DUTCH,
}
