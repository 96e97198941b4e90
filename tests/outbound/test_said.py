"""What is understood of what people say, in every language that there is a table for."""

import pytest

from bridge.outbound.said import fold, understood


@pytest.mark.parametrize(
    ("words", "result"),
    [
        # English
        ("Yes, I\u2019ll be there.", "confirmed"),
        ("Ill be there", "confirmed"),
        ("I would like to confirm my appointment", "confirmed"),
        ("No, I'll be there", "confirmed"),
        ("I don't want to reschedule, I'll be there", "confirmed"),
        ("I won't be there", ""),
        ("I don't think that, honestly, I'll be there", ""),
        ("Maybe I'll be there", ""),
        ("I'm not sure that works", ""),
        ("I'll be there if my car starts", ""),
        ("Can you confirm the time?", ""),
        ("could you confirm the time", ""),
        ("Is it confirmed?", ""),
        ("I need to confirm with my wife", ""),
        ("no need to reschedule", ""),
        ("Don't call me before ten", ""),
        ("this is not the wrong number", ""),
        ("I can't come, could we find another day?", "rescheduled"),
        ("He doesn't live here any more", "wrong_number"),
        ("please remove my number", "opted_out"),
        # Spanish
        ("Sí, confirmo la cita", "confirmed"),
        ("No, allí estaré", "confirmed"),
        ("No confirmo nada", ""),
        ("Creo que estaré ahí", ""),
        ("¿Me puede confirmar la hora?", ""),
        ("No estoy segura, quizás", ""),
        ("Prefiero otro día", "rescheduled"),
        ("No quiero cambiar la cita, me viene bien", "confirmed"),
        ("Número equivocado", "wrong_number"),
        ("Aquí no vive nadie con ese nombre", "wrong_number"),
        ("No me llamen más", "opted_out"),
        ("Dejen de llamarme", "opted_out"),
        # French
        ("Oui, je confirme le rendez-vous", "confirmed"),
        ("J\u2019y serai", "confirmed"),
        ("Je ne serai pas là", ""),
        ("Je ne confirme pas", ""),
        ("Peut-être que j'y serai", ""),
        ("Je pense que ça me convient", ""),
        ("Il faudrait reporter le rendez-vous", "rescheduled"),
        ("Pas besoin de reporter le rendez-vous, j'y serai", "confirmed"),
        ("Vous avez un faux numéro", "wrong_number"),
        ("Il n'y a personne de ce nom", "wrong_number"),
        ("Ne m'appelez plus", "opted_out"),
        ("Arrêtez de m'appeler", "opted_out"),
        # German
        ("Ja, ich bestätige den Termin", "confirmed"),
        ("Ich werde da sein", "confirmed"),
        ("Das passt mir gut", "confirmed"),
        ("Das passt mir leider nicht", ""),
        ("Ich kann da nicht kommen", ""),
        ("Vielleicht komme ich", ""),
        ("Ich weiß noch nicht, ob ich komme", ""),
        ("Ich komme aus Köln", ""),
        ("Können wir den Termin verschieben?", "rescheduled"),
        ("Ein anderer Tag wäre besser", "rescheduled"),
        ("Ich will nichts verschieben", ""),
        ("Sie haben die falsche Nummer", "wrong_number"),
        ("Hier gibt es niemanden mit diesem Namen", "wrong_number"),
        ("Rufen Sie mich bitte nicht mehr an", "opted_out"),
        ("Hören Sie auf, mich anzurufen", "opted_out"),
        # Italian
        ("Sì, confermo l'appuntamento", "confirmed"),
        ("Ci sarò", "confirmed"),
        ("Non confermo", ""),
        ("Non ci sarò", ""),
        ("Forse ci sarò", ""),
        ("Mi può confermare l'ora?", ""),
        ("Vorrei spostare l'appuntamento", "rescheduled"),
        ("Non voglio spostare niente, ci sarò", "confirmed"),
        ("Ha sbagliato numero", "wrong_number"),
        ("Non mi chiamate più", "opted_out"),
        # Portuguese
        ("Sim, confirmo a consulta", "confirmed"),
        ("Não, pode contar comigo", "confirmed"),
        ("Não confirmo", ""),
        ("Acho que estarei lá", ""),
        ("Não sei se vou comparecer", ""),
        ("Queria remarcar", "rescheduled"),
        ("Não preciso de remarcar", ""),
        ("É engano", "wrong_number"),
        ("Não me ligue mais", "opted_out"),
        ("Parem de me ligar", "opted_out"),
        # Dutch
        ("Ja, ik bevestig de afspraak", "confirmed"),
        ("Ik ben er zeker", "confirmed"),
        ("Ik ben er niet", ""),
        ("Dat komt me niet goed uit", ""),
        ("Misschien ben ik er, dat past", ""),
        ("Kan ik een andere dag komen?", "rescheduled"),
        ("U heeft het verkeerde nummer", "wrong_number"),
        ("Bel me niet meer", "opted_out"),
        ("Stop met bellen", "opted_out"),
    ],
)
def test_a_sentence_is_understood_or_left_to_a_person(words: str, result: str) -> None:
    """A denied, doubted, asked or conditional confirmation is none, in any language; the rest is what it says."""
    assert understood([words]) == result


@pytest.mark.parametrize(
    ("turns", "result"),
    [
        (["I'm not sure.", "Let me check.", "Yes, I'll be there."], "confirmed"),
        (["I'll be there.", "Hm, maybe not."], ""),
        (["Ich komme.", "Ach, ich kann da doch nicht."], ""),
        (["J'y serai.", "Non, il faut annuler."], ""),
        (["I'll be there.", "No, thank you. Bye."], "confirmed"),
        (["Confirmo.", "No, gracias."], "confirmed"),
        (["Confirmed.", "Ne m'appelez plus"], "opted_out"),
        ([], ""),
    ],
)
def test_the_last_word_counts(turns: list[str], result: str) -> None:
    """Doubt before a confirmation is overcome by it, doubt after it takes it back; opting out wins wherever it stands."""
    assert understood(turns) == result


def test_accents_case_and_apostrophes_do_not_matter() -> None:
    """Recognisers write as they like: with typographic apostrophes, in capitals, with accents apart."""
    assert fold("  J\u2019Y  SERA\u0049 e\u0301te\u0301 Stra\u00dfe ") == "j'y serai ete strasse"
    assert understood(["CI SARO\u0300"]) == "confirmed"
