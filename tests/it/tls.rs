//! TLS for real: which servers are believed, and what the caller hears of those that are not.

use std::time::{Duration, Instant};

use imagen_ai::ureq::tls::TlsProvider;
use imagen_ai::{CallError, CauseKind, Client, ClientBuilder, Error, RetryPolicy, Wait};

use crate::support::canned::{Canned, KEY};
use crate::support::child;
use crate::support::eventually;
use crate::support::faulty::Unserved;
use crate::support::tls::{Authority, Goodbye, Identity, TlsServer, agent, providers, showing, trusting};

const HERE: [&str; 2] = ["localhost", "127.0.0.1"];

fn quickly(max_attempts: u32) -> RetryPolicy {
    RetryPolicy {
        max_attempts,
        base_delay: Duration::from_millis(1),
        ..RetryPolicy::default()
    }
}

fn builder(host: &str, port: u16) -> ClientBuilder {
    Client::builder(KEY)
        .base_url(format!("https://{host}:{port}/v1"))
        .timeout(Duration::from_secs(20))
        .retry(quickly(1))
}

/// What a call says that never got as far as a request.
#[track_caller]
fn not_sent<T: std::fmt::Debug>(result: Result<T, Error>) -> CallError {
    let error = result.unwrap_err();
    assert!(!format!("{error:#?}").contains(KEY), "{error}");
    match error {
        Error::Network(call) => *call,
        other => panic!("{other}"),
    }
}

/// Every call to this server ends before a request, in TLS, with one of these words.
#[track_caller]
fn refused(builder: ClientBuilder, server: &TlsServer, words: &str) {
    let project = builder.retry(quickly(2)).build().unwrap().project("p");
    let calls = [
        not_sent(project.image("a.jpg").copilot("x")),
        not_sent(project.image("a.jpg").enhance("day_to_dusk")),
        not_sent(project.image("a.jpg").reset()),
        not_sent(project.ai_tools()),
    ];
    for call in calls {
        assert_eq!(call.cause.kind, CauseKind::Tls, "{call}");
        assert!(call.cause.message.contains(words), "{words:?} is not in {call}");
        assert_eq!((call.context.attempts, call.context.status), (2, None));
        let port = format!(":{}: ", server.port());
        assert!(call.cause.message.contains(&port), "{call}");
    }
    assert_eq!(server.connections(), 4 * 2);
    assert_eq!(server.requests(), [""; 0]);
}

/// What OpenSSL and the others call it differs from `rustls`; the words of the other systems are not known here.
fn words(provider: TlsProvider, rustls: &'static str, openssl: &'static str) -> &'static str {
    match provider {
        TlsProvider::Rustls => rustls,
        _ if cfg!(target_os = "linux") => openssl,
        _ => "TLS",
    }
}

#[test]
fn a_private_authority_is_believed_through_an_agent_with_its_root() {
    let authority = Authority::new("private");
    for provider in providers() {
        let server = TlsServer::start(&authority.issue(&HERE));
        for (nth, host) in HERE.into_iter().enumerate() {
            let client = builder(host, server.port())
                .agent(agent(trusting(provider, &authority)))
                .build()
                .unwrap();
            let photo = client.project("p").image("a.jpg");
            photo.copilot("x").unwrap();
            photo.copilot("x").unwrap();
            assert_eq!(
                server.connections(),
                nth + 1,
                "the second call uses the first one's connection"
            );
        }
        server.assert_keyed(4);
    }
}

/// The same for every kind of TLS that believes this authority, at a server with this certificate.
#[track_caller]
fn refused_by_all(host: &str, identity: &Identity, authority: &Authority, rustls: &'static str, openssl: &'static str) {
    for provider in providers() {
        let server = TlsServer::start(identity);
        let builder = builder(host, server.port()).agent(agent(trusting(provider, authority)));
        refused(builder, &server, words(provider, rustls, openssl));
    }
}

#[test]
fn the_clients_own_agent_refuses_an_unknown_authority_too() {
    let server = TlsServer::start(&Authority::new("stranger").issue(&HERE));
    let own = if cfg!(feature = "rustls") {
        TlsProvider::Rustls
    } else {
        TlsProvider::NativeTls
    };
    refused(
        builder("localhost", server.port()),
        &server,
        words(own, "UnknownIssuer", "unable to get local issuer certificate"),
    );
}

#[test]
fn a_wait_for_a_project_ends_at_once_with_a_server_that_is_not_believed() {
    let server = TlsServer::start(&Authority::new("stranger").issue(&HERE));
    let project = builder("localhost", server.port()).build().unwrap().project("p");
    let call = not_sent(project.wait_until_completed(&Wait::default()));
    assert_eq!(call.cause.kind, CauseKind::Tls);
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_certificate_that_proves_nothing_is_refused() {
    let authority = Authority::new("private");
    let stranger = Authority::new("stranger").issue(&HERE);
    let other = authority.issue(&["api.example.test", "127.0.0.9"]);
    let expired = authority.issue_expired(&HERE);
    let (localhost, address) = (HERE[0], HERE[1]);
    let unknown = "unable to get local issuer certificate";
    refused_by_all(localhost, &stranger, &authority, "UnknownIssuer", unknown);
    refused_by_all(localhost, &other, &authority, "not valid for name", "ostname mismatch");
    refused_by_all(address, &other, &authority, "not valid for name", "IP address mismatch");
    let openssl = "certificate has expired";
    refused_by_all(localhost, &expired, &authority, "certificate expired", openssl);
}

#[test]
fn https_to_a_server_that_speaks_http_is_refused() {
    let authority = Authority::new("private");
    for provider in providers() {
        let server = Canned::new(200, "{}");
        let client = server
            .builder()
            .base_url(server.base_url().replace("http:", "https:"))
            .agent(agent(trusting(provider, &authority)))
            .build()
            .unwrap();
        let call = not_sent(client.project("p").image("a.jpg").copilot("x"));
        assert_eq!(call.cause.kind, CauseKind::Tls, "{call}");
        assert_eq!(server.seen().len(), 0);
    }
}

#[test]
fn a_handshake_that_never_ends_is_cut_off_by_the_connect_timeout() {
    let authority = Authority::new("private");
    for provider in providers() {
        let server = Unserved::new();
        let client = builder("127.0.0.1", server.addr().port())
            .connect_timeout(Duration::from_millis(80))
            .agent(agent(trusting(provider, &authority)))
            .build()
            .unwrap();
        let began = Instant::now();
        let call = not_sent(client.project("p").image("a.jpg").copilot("x"));
        assert_eq!(call.cause.kind, CauseKind::Timeout, "{call}");
        assert!(call.cause.message.contains("connect"), "{call}");
        let call = not_sent(client.project("p").ai_tools());
        assert_eq!(call.cause.kind, CauseKind::Timeout, "{call}");
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}

/// A pooled connection that the server closed while it lay idle is noticed before anything is written to it.
#[test]
fn an_edit_after_the_server_closed_the_connection_uses_a_new_one() {
    let authority = Authority::new("private");
    for provider in providers() {
        for goodbye in [Goodbye::Clean, Goodbye::Abrupt] {
            let server = TlsServer::saying(&authority.issue(&HERE), goodbye);
            let client = builder("localhost", server.port())
                .agent(agent(trusting(provider, &authority)))
                .build()
                .unwrap();
            for nth in 1..=3 {
                client.project("p").image("a.jpg").copilot("x").unwrap();
                eventually(|| server.closed() == nth);
            }
            assert_eq!((server.requests().len(), server.connections()), (3, 3), "{goodbye:?}");
        }
    }
}

#[test]
fn a_client_certificate_opens_a_server_that_asks_for_one() {
    let authority = Authority::new("private");
    let staff = Authority::new("staff");
    let badge = staff.issue(&["someone"]);
    for provider in providers() {
        let server = TlsServer::asking(&authority.issue(&HERE), &staff);
        let call = |identity: Option<&Identity>| {
            let tls = match identity {
                Some(identity) => showing(provider, &authority, identity),
                None => trusting(provider, &authority),
            };
            let client = builder("localhost", server.port()).agent(agent(tls)).build().unwrap();
            client.project("p").image("a.jpg").copilot("x")
        };

        call(Some(&badge)).unwrap();
        assert_eq!(server.requests().len(), 1);

        // In TLS 1.3 the server's refusal comes when the client believes the handshake done, perhaps after the edit
        // was written. So it may be either error, but no success, and no request is read.
        for refused in [None, Some(&Authority::new("stranger").issue(&["someone"]))] {
            let error = call(refused).unwrap_err();
            assert!(matches!(error, Error::Network(_) | Error::OutcomeUnknown(_)), "{error}");
            assert_eq!(server.requests().len(), 1);
        }
    }
}

/// The client's own agent believes whom its features say: the list in the program, or that of the system.
#[cfg(target_os = "linux")]
#[test]
fn the_systems_list_is_asked_where_the_features_say_so() {
    if child::is_child() {
        let client = Client::builder_from_env().unwrap().retry(quickly(1)).build().unwrap();
        let photo = client.project("p").image("a.jpg");
        println!("{:?} {:?}", photo.copilot("x"), photo.copilot("x"));
        return;
    }
    let authority = Authority::new("of the system");
    let server = TlsServer::start(&authority.issue(&HERE));
    let list = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(list.path(), authority.pem()).unwrap();
    let text = child::run(
        "tls::the_systems_list_is_asked_where_the_features_say_so",
        &[
            ("SSL_CERT_FILE", list.path().to_str().unwrap()),
            ("IMAGEN_API_KEY", KEY),
            ("IMAGEN_BASE_URL", &format!("https://localhost:{}/v1", server.port())),
        ],
    );
    if cfg!(feature = "platform-verifier") || !cfg!(feature = "rustls") {
        server.assert_keyed(2);
        assert_eq!(server.connections(), 1, "{text}");
    } else {
        assert!(text.contains("UnknownIssuer"), "{text}");
        assert_eq!(server.requests().len(), 0);
    }
}
