use super::*;
use crate::{
    FingerprintKey, Framing, New,
    kerberos::tests::{TICKET, ap_req, by_way_of_the_server, offered},
};

fn key() -> FingerprintKey {
    FingerprintKey::new([7; 32])
}

/// An answer to a request of session 1.
pub(in super::super) fn answer_to(exchange: u64, status: u32) -> SessionAnswer {
    SessionAnswer {
        status: Status::Nt(status),
        guest: false,
        anonymous: false,
        session: 1,
        exchange,
        unique: false,
    }
}

/// The NTLM response of this user that is still unanswered.
pub(in super::super) fn response_of(user: &str) -> Credential {
    Credential {
        method: Method::Ntlm(ntlmssp::ResponseKind::V2),
        user: Some(user.to_owned()),
        domain: None,
        workstation: None,
        target: None,
        fingerprint: Some(key().of(user.as_bytes())),
        outcome: None,
    }
}

#[test]
fn ticket_is_a_credential_of_its_realm_and_service_and_is_not_kept() {
    let mut dissector = Dissector::new(key(), Framing::NetBios);
    let request = ap_req("CORP.EXAMPLE", &["cifs", "files.corp.example"]);
    dissector.blob(Sender::Client, &offered(&request), Some(1)).unwrap();
    let mut credential = Credential {
        method: Method::Kerberos,
        user: None,
        domain: Some("CORP.EXAMPLE".to_owned()),
        workstation: None,
        target: Some("cifs/files.corp.example".to_owned()),
        fingerprint: Some(key().of(&request)),
        outcome: None,
    };
    assert_eq!(dissector.facts().credentials, [credential.clone()]);
    assert_eq!(dissector.reading.new, [New::Credential(0)]);
    let kept = format!("{:?}", dissector.facts());
    let [text, bytes] = [str::from_utf8(TICKET).unwrap().to_owned(), format!("{TICKET:?}")];
    assert!(!kept.contains(&text) && !kept.contains(bytes.trim_matches(['[', ']'])), "{kept}");

    dissector.session_answered(&answer_to(1, 0));
    credential.outcome = Some(Outcome::Accepted);
    assert_eq!(dissector.facts().credentials, [credential]);
}

#[test]
fn answer_belongs_to_the_pending_credential_even_with_a_full_list() {
    let mut dissector = Dissector::new(key(), Framing::NetBios);
    let mut exchange = 0;
    let mut tries = |dissector: &mut Dissector, user: &str, answer: Option<u32>| {
        exchange += 1;
        dissector.credential(response_of(user), Some(exchange));
        if let Some(status) = answer {
            dissector.session_answered(&answer_to(exchange, status));
        }
        exchange
    };
    const REFUSED: Option<u32> = Some(0xC000_006D);
    for number in 0..32 {
        tries(&mut dissector, &number.to_string(), REFUSED);
    }
    let again = tries(&mut dissector, "31", None);
    tries(&mut dissector, "other", REFUSED);
    dissector.session_answered(&answer_to(again, 0));
    tries(&mut dissector, "31", REFUSED);
    let accepted = dissector.facts().credentials.iter().filter(|one| one.outcome == Some(Outcome::Accepted));
    assert_eq!(accepted.filter_map(|one| one.user.as_deref()).collect::<Vec<_>>(), ["31"], "and stays so");
}

#[test]
fn counts_logons_by_their_final_answer_even_with_a_full_list() {
    let mut dissector = Dissector::new(key(), Framing::NetBios);
    let mut answer = |credential: Option<Credential>, exchange: u64, status: u32, guest: bool| {
        if let Some(credential) = credential {
            dissector.credential(credential, Some(exchange));
        }
        dissector.session_answered(&SessionAnswer { guest, ..answer_to(exchange, status) });
        let facts = dissector.facts();
        (facts.logons_refused, facts.logons_accepted, facts.logons_anonymous)
    };
    let anonymous = Credential {
        method: Method::Ntlm(ntlmssp::ResponseKind::Anonymous),
        fingerprint: None,
        ..response_of("")
    };
    assert_eq!(answer(None, 1, 0xC000_0016, false), (0, 0, 0), "more processing is required");
    // An accepted credential keeps its place, so that a list of them stays full.
    for number in 0..40 {
        let counted = answer(Some(response_of(&number.to_string())), 100 + number, 0, false);
        assert_eq!(counted, (0, number as u32 + 1, 0));
    }
    assert_eq!(answer(Some(anonymous), 2, 0, false), (0, 40, 1), "the list has no place for it");
    assert_eq!(answer(Some(response_of("b")), 3, 0x103, false), (0, 40, 1), "pending");
    assert_eq!(answer(None, 3, 0, true), (0, 40, 2), "accepted as a guest");
    for number in 1..=100 {
        let refused = answer(Some(response_of("c")), 200 + u64::from(number), 0xC000_006D, false);
        assert_eq!(refused, (number, 40, 2));
    }
}

#[test]
fn each_of_two_pending_logons_gets_its_own_answer() {
    let mut dissector = Dissector::new(key(), Framing::NetBios);
    for (exchange, user) in [(1, "a"), (2, "b")] {
        dissector.credential(response_of(user), Some(exchange));
    }
    for (exchange, status) in [(1, 0x103), (2, 0x103), (1, 0), (2, 0xC000_006D)] {
        dissector.session_answered(&answer_to(exchange, status));
    }
    let outcomes = dissector.facts().credentials.iter().map(|one| one.outcome.unwrap().is_accepted());
    assert_eq!(outcomes.collect::<Vec<_>>(), [true, false]);
}

/// Outcomes of all credentials, by user.
pub(in super::super) fn outcomes(dissector: &Dissector) -> Vec<(&str, Option<Outcome>)> {
    let credentials = dissector.facts().credentials.iter();
    credentials.map(|one| (one.user.as_deref().unwrap_or_default(), one.outcome)).collect()
}

#[test]
fn each_of_two_interleaved_sessions_gets_its_own_outcome() {
    const MORE: u32 = 0xC000_0016;
    let mut dissector = Dissector::new(key(), Framing::NetBios);
    for (session, user) in [(1, "a"), (2, "b")] {
        dissector.credential(response_of(user), Some(session));
        dissector.session_answered(&SessionAnswer { session, ..answer_to(session, MORE) });
    }
    // The last requests of both hold no credential. Session 3 began unseen.
    for (session, exchange, status) in [(3, 11, 0), (1, 12, 0xC000_006D), (2, 13, 0)] {
        dissector.session_answered(&SessionAnswer { session, ..answer_to(exchange, status) });
    }
    let refused = Outcome::Refused(Status::Nt(0xC000_006D));
    assert_eq!(outcomes(&dissector), [("a", Some(refused)), ("b", Some(Outcome::Accepted))]);
}

#[test]
fn reused_identifier_belongs_to_the_newer_request() {
    let mut dissector = Dissector::new(key(), Framing::NetBios);
    dissector.credential(response_of("a"), Some(5));
    dissector.session_asked(5);
    dissector.session_answered(&answer_to(5, 0));
    assert_eq!(outcomes(&dissector), [("a", None)]);
}

#[test]
fn user_with_an_anonymous_session_is_a_guest() {
    let mut dissector = Dissector::new(key(), Framing::NetBios);
    dissector.credential(response_of("a"), Some(1));
    dissector.session_answered(&SessionAnswer { anonymous: true, ..answer_to(1, 0) });
    // The anonymous client gets what it asked for.
    let anonymous = Credential { method: Method::Ntlm(ntlmssp::ResponseKind::Anonymous), ..response_of("") };
    dissector.credential(anonymous, Some(2));
    dissector.session_answered(&SessionAnswer { anonymous: true, ..answer_to(2, 0) });
    let expected = [("a", Some(Outcome::AcceptedAsGuest)), ("", Some(Outcome::Accepted))];
    assert_eq!(outcomes(&dissector), expected);
    assert_eq!((dissector.facts().logons_accepted, dissector.facts().logons_anonymous), (0, 2));
}

#[test]
fn iakerb_names_the_user_of_the_ticket() {
    let mut dissector = Dissector::new(key(), Framing::NetBios);
    dissector.blob(Sender::Client, &by_way_of_the_server("CORP.EXAMPLE", "ann"), Some(1)).unwrap();
    assert!(dissector.facts().credentials.is_empty(), "nothing is proven yet");
    for exchange in [2, 3] {
        let request = ap_req(["CORP.EXAMPLE", "OTHER.EXAMPLE"][exchange as usize - 2], &["cifs", "files"]);
        dissector.blob(Sender::Client, &offered(&request), Some(exchange)).unwrap();
    }
    let users = dissector.facts().credentials.iter().map(|one| one.user.as_deref());
    assert_eq!(users.collect::<Vec<_>>(), [Some("ann"), None]);
}

#[test]
fn ticket_sent_by_a_server_is_no_credential() {
    let mut dissector = Dissector::new(key(), Framing::NetBios);
    let request = ap_req("CORP.EXAMPLE", &["cifs", "files.corp.example"]);
    dissector.blob(Sender::Server, &offered(&request), None).unwrap();
    assert!(dissector.facts().credentials.is_empty());
}
