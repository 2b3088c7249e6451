"""What CRMs call the ways that a lead ends, and the directions of an interaction."""

from scoring.init.names import phrases

OUTCOMES = ("won", "lost", "disqualified", "recycled", "churned")
_OUTCOME_WORDS = {
    "won": "won, closed won, converted, sold, success, customer, is won, voitettu, kauppa, "
    "voitto, myyty, toteutunut, võidetud, müüdud, võit, edukas, выиграна, выигран, выиграно, "
    "успешно реализовано, сделка успешна, продано, успех, успешная, закрыта успешно, gewonnen, "
    "abgeschlossen gewonnen, verkauft, erfolgreich",
    "lost": "lost, closed lost, failed, no sale, hävitty, menetetty, ei kauppaa, hävitys, "
    "kaotatud, kaotus, ebaõnnestunud, проиграна, проигран, проиграно, закрыто и не реализовано, "
    "сделка провалена, отказ, неуспешная, провалена, verloren, abgeschlossen verloren, abgesagt",
    "disqualified": "disqualified, unqualified, junk, spam, bad lead, not qualified, dead, "
    "hylätty, diskvalifioitu, ei kelvollinen, roskaa, diskvalifitseeritud, praak, sobimatu, "
    "некачественный, некачественный лид, дисквалифицирован, спам, disqualifiziert, "
    "nicht qualifiziert, ungültig",
    "recycled": "recycled, nurture, later, postponed, kierrätetty, myöhemmin, taaskasutatud, "
    "hiljem, отложена, отложено, zurückgestellt, später",
    "churned": "churned, cancelled after sale, poistunut asiakas, lahkunud, ушел, abgewandert",
}
_OPEN_WORDS = (
    "open, new, in progress, working, contacted, qualified, proposal, negotiation, prospecting, "
    "avoin, uusi, kesken, tarjous, neuvottelu, kontaktoitu, työn alla, avatud, uus, töös, "
    "pakkumine, läbirääkimised, pooleli, новая, новый, в работе, открыта, открыт, переговоры, "
    "первичный контакт, offen, neu, in bearbeitung, angebot, verhandlung, aktiv, active"
)
_DIRECTION_WORDS = {
    "inbound": "inbound, incoming, in, received, from customer, saapuva, sisään, tuleva, "
    "vastaanotettu, sissetulev, saabuv, saadud, входящий, входящая, входящее, вход, eingehend, "
    "eingang, empfangen",
    "outbound": "outbound, outgoing, out, sent, to customer, lähtevä, ulos, lähetetty, väljaminev, "
    "väljuv, saadetud, исходящий, исходящая, исходящее, исход, ausgehend, ausgang, gesendet",
}
_OUTCOME = {p: key for key, text in _OUTCOME_WORDS.items() for p in phrases(text)}
_OPEN = phrases(_OPEN_WORDS)
_DIRECTION = {p: key for key, text in _DIRECTION_WORDS.items() for p in phrases(text)}


def outcome_of(word: str) -> str:
    """The canonical outcome that a word means, or an empty string."""
    return _OUTCOME.get(_plain(word), "")


def is_open(word: str) -> bool:
    """Whether a word says that the lead has not ended yet."""
    return _plain(word) in _OPEN


def direction_of(word: str) -> str:
    return _DIRECTION.get(_plain(word), "")


def _plain(word: str) -> str:
    (plain,) = phrases(word.replace(",", " "))
    return plain
