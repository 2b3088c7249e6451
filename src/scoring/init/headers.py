"""What CRM exports call the canonical tables and columns, in five languages.

A phrase is written as people read it; it is compared after `names.normalise`, so case, accents,
camelCase and punctuation do not matter.
"""

LANGUAGES = {"en": "English", "fi": "Finnish", "et": "Estonian", "ru": "Russian", "de": "German"}
Phrases = dict[str, str]  # language → phrases, separated by commas

REQUIRED: dict[str, tuple[str, ...]] = {
    "leads": ("lead_id", "created_at"),
    "interactions": ("lead_id", "occurred_at", "type"),
    "outcomes": ("lead_id", "outcome", "decided_at"),
    "participants": ("interaction_id", "contact_id"),
    "stage_changes": ("lead_id", "changed_at", "stage"),
    "lead_changes": ("lead_id", "changed_at", "field", "value"),
    "contacts": ("contact_id", "lead_id"),
    "feedback": ("lead_id", "given_at", "verdict"),
}
TIMES = frozenset(
    [
        "created_at",
        "updated_at",
        "expected_close_on",
        "merged_at",
        "deleted_at",
        "occurred_at",
        "recorded_at",
        "changed_at",
        "joined_at",
        "decided_at",
        "given_at",
    ]
)
OPEN_ENDED = ("leads", "interactions")  # tables that keep their unknown columns

_LEAD_ID: Phrases = {
    "en": "lead id, deal id, opportunity id, related to id, what id, associated deal id, lead",
    "fi": "liidi id, liidin id, liidin tunnus, liiditunnus, mahdollisuuden tunnus, liidi, "
    "myyntimahdollisuuden tunnus, kaupan tunnus, liidin numero",
    "et": "vihje id, müügivihje id, müügivihje, tehingu id, tehingu number, liidi id, "
    "müügivõimaluse id, vihje number",
    "ru": "id лида, id сделки, номер сделки, номер лида, код лида, код сделки, лид, сделка",
    "de": "lead nummer, verkaufschance id, verkaufschancen nr, interessent id, vorgangsnummer, "
    "leadnummer, chance id",
}
_OWN_ID: Phrases = {
    "en": "id, record id, number, key, row id",
    "fi": "tunnus, tunniste, numero",
    "et": "tunnus, number, kood",
    "ru": "ид, номер, код",
    "de": "nummer, nr, kennung",
}
_RECORDED: Phrases = {
    "en": "recorded at, logged at, entered at, created date, create date, created at, created on",
    "fi": "kirjattu, tallennettu, kirjausaika, luotu",
    "et": "kirjendatud, salvestatud, sisestatud, loodud",
    "ru": "записано, дата записи, внесено, дата создания",
    "de": "erfasst am, eingetragen am, erfasst, erstellt am",
}
_CHANGED: Phrases = {
    "en": "changed at, change date, changed on, date, time, edit date, entered stage at, "
    "created date, created at",
    "fi": "muutettu, muutosaika, muutospäivä, vaihdettu, päivämäärä, pvm",
    "et": "muudetud, muutmise aeg, muutmise kuupäev, kuupäev",
    "ru": "дата изменения, изменено, время изменения, дата",
    "de": "geändert am, änderungsdatum, datum",
}
_CONTACT_ID: Phrases = {
    "en": "contact id, who id, contact number, associated contact id",
    "fi": "yhteyshenkilön tunnus, kontaktin tunnus, kontaktin id, yhteyshenkilön id",
    "et": "kontakti id, kontakti number, kontakti tunnus",
    "ru": "id контакта, код контакта, номер контакта",
    "de": "kontakt id, kontaktnummer, ansprechpartner id",
}

COLUMNS: dict[str, dict[str, Phrases]] = {
    "leads": {
        "lead_id": {k: f"{_LEAD_ID[k]}, {_OWN_ID[k]}" for k in LANGUAGES},
        "created_at": {
            "en": "created at, created, created on, created date, create date, creation date, "
            "creation time, date created, date entered, entry date, created time, deal created",
            "fi": "luotu, luontipäivä, luontiaika, luontipvm, luotu pvm, luontipäivämäärä, "
            "perustettu, kirjauspäivä",
            "et": "loodud, loomise aeg, loomise kuupäev, lisatud, loomisaeg, loomiskuupäev",
            "ru": "дата создания, создан, создано, создана, время создания, дата добавления, "
            "дата создания сделки, дата создания лида",
            "de": "erstellt, erstellt am, erstelldatum, angelegt am, erstellungsdatum, angelegt",
        },
        "updated_at": {
            "en": "updated at, updated, modified, modified on, last modified, last modified date, "
            "update time, last update, write date, modified time",
            "fi": "muokattu, muutettu, päivitetty, viimeksi muokattu, muokkausaika",
            "et": "muudetud, uuendatud, viimati muudetud, muutmise aeg",
            "ru": "дата изменения, изменен, изменено, обновлено, дата последнего изменения, "
            "дата редактирования",
            "de": "geändert am, aktualisiert, zuletzt geändert, änderungsdatum, aktualisiert am",
        },
        "person_id": {
            "en": "person id, contact id, partner id, customer id",
            "fi": "henkilön tunnus, yhteyshenkilön tunnus, asiakasnumero, kontaktin tunnus",
            "et": "isiku id, kontakti id, kliendi number",
            "ru": "id контакта, id клиента, код клиента",
            "de": "person id, kontakt id, kundennummer",
        },
        "company_id": {
            "en": "company id, account id, organization id, organisation id",
            "fi": "yrityksen tunnus, y tunnus, organisaation tunnus, yritys id",
            "et": "ettevõtte id, registrikood, ettevõtte kood",
            "ru": "id компании, инн, код компании",
            "de": "firma id, firmen id, unternehmen id, konto id",
        },
        "owner_id": {
            "en": "owner id, owner, lead owner, deal owner, assigned to, sales rep, user id, "
            "salesperson, opportunity owner, assigned user, account manager",
            "fi": "omistaja, vastuuhenkilö, myyjä, vastuumyyjä, vastuullinen, liidin omistaja",
            "et": "omanik, vastutaja, müügiesindaja, müüja, vastutav isik, müügijuht",
            "ru": "ответственный, менеджер, владелец, продавец, ответственный менеджер",
            "de": "besitzer, zuständig, verantwortlich, verkäufer, eigentümer, betreuer, "
            "zuständiger, vertriebsmitarbeiter",
        },
        "source": {
            "en": "source, lead source, origin, original source, channel, campaign source",
            "fi": "lähde, liidin lähde, alkuperä, kanava",
            "et": "allikas, müügivihje allikas, päritolu, vihje allikas, kanal",
            "ru": "источник, источник лида, источник сделки, канал",
            "de": "quelle, herkunft, lead quelle, leadquelle, kanal",
        },
        "amount": {
            "en": "amount, value, deal value, expected revenue, deal amount, budget, est revenue, "
            "estimated revenue, amount in company currency, opportunity amount",
            "fi": "summa, arvo, kaupan arvo, arvioitu arvo, euromäärä, odotettu tuotto, "
            "arvo eur, summa eur",
            "et": "summa, väärtus, tehingu väärtus, eeldatav tulu, eelarve, maksumus, summa eur",
            "ru": "сумма, бюджет, сумма сделки, стоимость, ожидаемая выручка, бюджет руб",
            "de": "betrag, wert, auftragswert, umsatz, erwarteter umsatz, budget, summe",
        },
        "expected_close_on": {
            "en": "expected close on, expected close date, estimated close date, est close date, "
            "expected closing, date deadline, forecast close",
            "fi": "arvioitu päätöspäivä, odotettu päätöspäivä, arvioitu kaupan päivä, "
            "arvioitu sulkemispäivä",
            "et": "eeldatav sulgemiskuupäev, oodatav sulgemine, eeldatav lõpetamise kuupäev",
            "ru": "ожидаемая дата закрытия, планируемая дата закрытия, "
            "предполагаемая дата закрытия",
            "de": "erwartetes abschlussdatum, voraussichtlicher abschluss, geplanter abschluss",
        },
        "merged_into": {
            "en": "merged into, master record id, merged to, duplicate of",
            "fi": "yhdistetty liidiin, yhdistetty",
            "et": "liidetud",
            "ru": "объединен с, объединена с",
            "de": "zusammengeführt mit",
        },
        "merged_at": {
            "en": "merged at, merge date",
            "fi": "yhdistämisaika, yhdistetty pvm",
            "et": "liitmise aeg",
            "ru": "дата объединения",
            "de": "zusammengeführt am",
        },
        "deleted_at": {
            "en": "deleted at, deletion date, date deleted",
            "fi": "poistettu, poistopäivä",
            "et": "kustutatud, kustutamise aeg",
            "ru": "дата удаления, удалено",
            "de": "gelöscht am, löschdatum",
        },
    },
    "interactions": {
        "interaction_id": {
            "en": "interaction id, activity id, event id, task id, call id, " + _OWN_ID["en"],
            "fi": "tapahtuman tunnus, tapahtuma id, aktiviteetin tunnus, " + _OWN_ID["fi"],
            "et": "tegevuse id, sündmuse id, " + _OWN_ID["et"],
            "ru": "id события, id дела, id активности, номер события, " + _OWN_ID["ru"],
            "de": "aktivität id, ereignis id, aktivitätsnummer, " + _OWN_ID["de"],
        },
        "lead_id": _LEAD_ID,
        "occurred_at": {
            "en": "occurred at, occurred on, date, time, datetime, timestamp, activity date, "
            "start, start time, start date, event date, sent at, call time, when, date time, "
            "created at, created date, created on",
            "fi": "ajankohta, aika, päivämäärä, pvm, aloitusaika, tapahtuma aika, alkoi, "
            "tapahtumapäivä, päiväys, alkamisaika, luotu",
            "et": "aeg, kuupäev, toimumise aeg, algus, algusaeg, toimunud, toimumisaeg, loodud",
            "ru": "дата, время, дата и время, дата события, начало, дата начала, "
            "дата звонка, дата создания",
            "de": "datum, zeitpunkt, beginn, startzeit, uhrzeit, zeit, datum uhrzeit, erstellt am",
        },
        "recorded_at": _RECORDED,
        "type": {
            "en": "type, activity type, event type, interaction type, kind, event, activity",
            "fi": "tyyppi, tapahtumatyyppi, tapahtuman tyyppi, laji, aktiviteetti, tapahtuma, "
            "aktiviteetin tyyppi, toimenpide",
            "et": "tüüp, tegevuse tüüp, sündmuse tüüp, liik, tegevus, tegevuse liik",
            "ru": "тип, тип события, вид, тип дела, тип активности, событие, вид контакта",
            "de": "typ, art, aktivitätstyp, ereignistyp, aktivität, aktivitätsart",
        },
        "direction": {
            "en": "direction, call direction, inbound outbound, email direction",
            "fi": "suunta, puhelun suunta",
            "et": "suund, kõne suund",
            "ru": "направление, направление звонка",
            "de": "richtung, anrufrichtung",
        },
        "contact_id": _CONTACT_ID,
        "text": {
            "en": "text, note, notes, description, comment, comments, body, subject, summary",
            "fi": "teksti, muistiinpano, muistiinpanot, kuvaus, kommentti, aihe, lisätiedot",
            "et": "tekst, märkus, märkused, kirjeldus, kommentaar, teema",
            "ru": "текст, заметка, описание, комментарий, примечание, тема",
            "de": "text, notiz, notizen, beschreibung, kommentar, bemerkung, betreff",
        },
    },
    "outcomes": {
        "lead_id": _LEAD_ID,
        "outcome": {
            "en": "outcome, result, status, deal status, stage, deal stage, stage name, "
            "lead status, opportunity status",
            "fi": "tulos, lopputulos, tila, status, vaihe, kaupan tila, liidin tila",
            "et": "tulemus, staatus, olek, etapp, seis",
            "ru": "результат, исход, статус, стадия, этап, статус сделки, этап сделки, "
            "стадия сделки, статус лида",
            "de": "ergebnis, status, phase, ausgang, verkaufsphase",
        },
        "decided_at": {
            "en": "decided at, closed at, close date, closed date, closed on, date closed, "
            "actual close date, closed, decision date, deal closed on, closing date",
            "fi": "päätetty, päätöspäivä, suljettu, sulkemispäivä, päättynyt, päättymispäivä, "
            "päättymisaika, suljettu pvm",
            "et": "otsustatud, suletud, sulgemise kuupäev, otsuse kuupäev, lõpetatud, "
            "sulgemise aeg, sulgemiskuupäev",
            "ru": "дата закрытия, закрыто, закрыта, дата решения, дата завершения, "
            "дата закрытия сделки",
            "de": "abgeschlossen am, abschlussdatum, geschlossen am, entschieden am, "
            "entscheidungsdatum, abgeschlossen",
        },
        # When the record was created says nothing about when its end was recorded.
        "recorded_at": {"en": "recorded at, logged at, entered at", "fi": "kirjattu, kirjausaika"}
        | {"et": "kirjendatud", "ru": "дата записи", "de": "erfasst am"},
        "reason": {
            "en": "reason, lost reason, loss reason, close reason, closed lost reason",
            "fi": "syy, häviön syy, hylkäyssyy, menetyksen syy",
            "et": "põhjus, kaotuse põhjus",
            "ru": "причина, причина отказа, причина проигрыша",
            "de": "grund, verlustgrund, absagegrund",
        },
    },
    "participants": {
        "interaction_id": {
            "en": "interaction id, event id, meeting id, activity id",
            "fi": "tapahtuman tunnus, tapaamisen tunnus",
            "et": "sündmuse id, kohtumise id, tegevuse id",
            "ru": "id события, id встречи",
            "de": "ereignis id, termin id",
        },
        "contact_id": _CONTACT_ID,
        "invited": {"en": "invited", "fi": "kutsuttu", "et": "kutsutud", "ru": "приглашен"}
        | {"de": "eingeladen"},
        "attended": {"en": "attended", "fi": "osallistui", "et": "osales", "ru": "присутствовал"}
        | {"de": "teilgenommen"},
    },
    "stage_changes": {
        "lead_id": _LEAD_ID,
        "changed_at": _CHANGED,
        "recorded_at": _RECORDED,
        "stage": {
            "en": "stage, stage name, new stage, to stage, deal stage, pipeline stage",
            "fi": "vaihe, uusi vaihe, myyntivaihe",
            "et": "etapp, uus etapp, müügietapp",
            "ru": "этап, стадия, новый этап, новая стадия",
            "de": "phase, neue phase, verkaufsphase",
        },
    },
    "lead_changes": {
        "lead_id": _LEAD_ID,
        "changed_at": _CHANGED,
        "recorded_at": _RECORDED,
        "field": {
            "en": "field, field name, property, changed field",
            "fi": "kenttä, kentän nimi",
            "et": "väli, välja nimi",
            "ru": "поле, название поля",
            "de": "feld, feldname",
        },
        "value": {
            "en": "value, new value",
            "fi": "arvo, uusi arvo",
            "et": "väärtus, uus väärtus",
            "ru": "значение, новое значение",
            "de": "wert, neuer wert",
        },
    },
    "contacts": {
        "contact_id": {k: f"{_CONTACT_ID[k]}, {_OWN_ID[k]}" for k in LANGUAGES},
        "lead_id": _LEAD_ID,
        "role": {
            "en": "role, job title, title, position, contact role",
            "fi": "rooli, titteli, tehtävänimike, asema",
            "et": "roll, ametinimetus, amet, ametikoht",
            "ru": "роль, должность",
            "de": "rolle, position, funktion",
        },
        "seniority": {
            "en": "seniority, level, job level",
            "fi": "taso, päätösvalta",
            "et": "tase",
            "ru": "уровень",
            "de": "ebene, hierarchie",
        },
        "domain": {
            "en": "domain, email domain, mail domain",
            "fi": "verkkotunnus, sähköpostin verkkotunnus",
            "et": "domeen, e-posti domeen",
            "ru": "домен, почтовый домен",
            "de": "domain, e-mail-domain",
        },
        "joined_at": {
            "en": "joined at, added at, created at, created date, created on, create date",
            "fi": "lisätty, liittynyt, luotu",
            "et": "lisatud, loodud",
            "ru": "добавлен, дата добавления, дата создания",
            "de": "hinzugefügt am, angelegt am, erstellt am",
        },
        "recorded_at": _RECORDED,
    },
    "feedback": {
        name: {"en": name.replace("_", " ")}
        for name in ("lead_id", "given_at", "recorded_at", "given_by", "verdict", "sign", "comment")
    },
}

# A file's name says which table it is; for interactions it may also say the type.
FILES: dict[str, str] = {
    "leads": "leads, lead, opportunities, opportunity, deals, deal, prospects, liidit, kaupat, "
    "myyntimahdollisuudet, prospektit, müügivihjed, müügivõimalused, tehingud, liidid, лиды, "
    "сделки, verkaufschancen, interessenten, anfragen",
    "interactions": "interactions, activities, events, tasks, engagements, history, aktiviteetit, "
    "tapahtumat, yhteydenotot, toimenpiteet, tegevused, sündmused, suhtlus, активности, дела, "
    "события, взаимодействия, aktivitäten, ereignisse, calls, emails, meetings, puhelut, "
    "sähköpostit, tapaamiset, kõned, kirjad, kohtumised, звонки, письма, встречи, anrufe, termine",
    "outcomes": "outcomes, results, closed deals, tulokset, päätökset, tulemused, результаты, "
    "исходы, ergebnisse, abschlüsse",
    "participants": "participants, attendees, osallistujat, osalejad, участники, teilnehmer",
    "stage_changes": "stage changes, stage history, vaihehistoria, vaiheet, etappide ajalugu, "
    "etapid, история этапов, история стадий, phasenverlauf",
    "lead_changes": "lead changes, field history, lead history, kenttähistoria, väljade ajalugu, "
    "история полей, история изменений, feldhistorie, feldverlauf",
    "contacts": "contacts, contact, people, yhteyshenkilöt, kontaktit, kontaktid, "
    "kontaktisikud, контакты, kontakte, ansprechpartner",
    "feedback": "feedback, palaute, tagasiside, отзывы, rückmeldungen",
}
TYPES_OF_FILES: dict[str, str] = {
    "call": "calls, puhelut, kõned, звонки, anrufe",
    "email": "emails, sähköpostit, kirjad, письма",
    "meeting": "meetings, tapaamiset, kohtumised, встречи, termine",
}

# What is personal is not passed on as an attribute.
PERSONAL: dict[str, str] = {
    "names of persons": "name, full name, first name, last name, contact name, contact, person, "
    "contact person, person name, surname, given name, nimi, etunimi, sukunimi, "
    "yhteyshenkilö, asiakkaan nimi, "
    "kontakti, eesnimi, perekonnanimi, kontaktisik, kontaktisiku nimi, имя, фамилия, фио, контакт, "
    "контактное лицо, отчество, vorname, nachname, ansprechpartner, kontaktperson",
    "titles of records, which often hold a person's name": "deal title, deal name, "
    "opportunity name, title, "
    "lead name, lead title, topic, subject, otsikko, liidin nimi, kaupan nimi, pealkiri, "
    "vihje nimi, tehingu nimi, название, название сделки, название лида, titel, "
    "bezeichnung, betreff",
    "e-mail addresses": "email, e mail, email address, work email, mail, sähköposti, "
    "sähköpostiosoite, e post, epost, e posti aadress, meil, почта, эл почта, электронная почта, "
    "e mail adresse",
    "phone numbers": "phone, phone number, mobile, mobile phone, work phone, telephone, puhelin, "
    "puhelinnumero, matkapuhelin, telefon, telefoni number, mobiil, телефон, рабочий телефон, "
    "мобильный телефон, telefonnummer, handy, mobiltelefon",
    "street addresses": "address, street, street address, osoite, katuosoite, aadress, tänav, "
    "адрес, улица, adresse, straße, anschrift",
}
# Such a column is often filled, or changed, when the sale is decided.
KNOWS_OUTCOME = (
    "status, stage, closed, close date, won, lost, is won, is closed, lost reason, tags, "
    "probability, invoice, contract, last activity, customer since, converted, tila, "
    "vaihe, suljettu, voitettu, "
    "hävitty, todennäköisyys, tunnisteet, sopimus, lasku, staatus, olek, etapp, suletud, võidetud, "
    "tõenäosus, sildid, leping, arve, статус, стадия, этап, закрыто, вероятность, теги, договор, "
    "счет, phase, abgeschlossen, wahrscheinlichkeit, vertrag, rechnung, gewonnen, verloren"
)
