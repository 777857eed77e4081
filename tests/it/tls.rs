//! TLS for real: which servers are believed, and what the caller hears of those that are not.

use std::time::Duration;

use imagen_ai::ureq::tls::{TlsConfig, TlsProvider};
use imagen_ai::{
    CallError, CauseKind, Client, ClientBuilder, EditOptions, Enhancement, Error, Result,
    RetryPolicy, Wait,
};

use crate::support::ms;
use crate::support::tls::{Authority, TlsServer, agent, providers, trusting};
use crate::support::wire::KEY;

const HERE: [&str; 2] = ["localhost", "127.0.0.1"];

fn builder(host: &str, port: u16) -> ClientBuilder {
    let retry = RetryPolicy {
        max_attempts: TRIES,
        base_delay: ms(1),
        ..RetryPolicy::default()
    };
    let client = Client::builder(KEY).base_url(format!("https://{host}:{port}/v1"));
    client.timeout(Duration::from_secs(20)).retry(retry)
}

/// A client whose agent has this setting.
fn client(host: &str, port: u16, tls: TlsConfig) -> Client {
    builder(host, port).agent(agent(tls)).build().unwrap()
}

fn edit(client: &Client) -> Result<Enhancement> {
    client.project("p").image("a.jpg").copilot("x")
}

/// What a call says that never got as far as a request.
#[track_caller]
fn not_sent<T: std::fmt::Debug>(result: Result<T>) -> CallError {
    let error = result.unwrap_err();
    assert!(!format!("{error:#?}").contains(KEY), "{error}");
    match error {
        Error::Network(call) if call.cause.kind == CauseKind::Tls => *call,
        other => panic!("{other:#?}"),
    }
}

/// Words of the provider's about a certificate: those of `rustls`, and those of OpenSSL on Linux.
/// What other systems say is not known here.
#[derive(Clone, Copy)]
struct Words(&'static str, &'static str);

const UNKNOWN: Words = Words("UnknownIssuer", "unable to get local issuer certificate");

impl Words {
    fn of(self, provider: TlsProvider) -> &'static str {
        match provider {
            TlsProvider::Rustls => self.0,
            _ if cfg!(target_os = "linux") => self.1,
            _ => "TLS",
        }
    }
}

/// How often a call may be tried.
const TRIES: u32 = 2;

/// Every call to this server ends before a request, in TLS, with these words. It is tried once,
/// since a certificate that is refused is refused again.
#[track_caller]
fn refused(client: &Client, server: &TlsServer, words: &str) {
    let project = client.project("p");
    let results = [
        edit(client).map(drop),
        client.create_project("Smith wedding").map(drop),
        project.edit(&EditOptions::profile(1)),
        project.export(),
        project.image("a.jpg").reset(),
        project.presets().map(drop),
    ];
    let port = format!(":{}: ", server.port());
    assert_eq!(server.connections(), results.len());
    for result in results {
        let call = not_sent(result);
        assert!(call.cause.message.contains(words), "{call}");
        assert!(call.cause.message.contains(&port), "{call}");
        assert!(call.advice.contains("ClientBuilder::agent"), "{call}");
        assert!(call.advice.contains("platform-verifier"), "{call}");
        assert_eq!(call.context.attempts, 1);
        assert_eq!(call.context.status, None);
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn a_private_authority_is_believed_through_an_agent_with_its_root() {
    let authority = Authority::new("private");
    for provider in providers() {
        let server = TlsServer::start(&authority.issue(&HERE));
        for (nth, host) in HERE.into_iter().enumerate() {
            let client = client(host, server.port(), trusting(provider, &authority));
            edit(&client).unwrap();
            edit(&client).unwrap();
            assert_eq!(
                server.connections(),
                nth + 1,
                "the second call uses the first one's connection"
            );
        }
        server.assert_keyed(4);
    }
}

#[test]
fn a_certificate_that_proves_nothing_is_refused() {
    let authority = Authority::new("private");
    let stranger = Authority::new("stranger").issue(&HERE);
    let other = authority.issue(&["api.example.test", "127.0.0.9"]);
    let later = authority.issue_for_later(&HERE);
    let not_yet = Words("not valid yet", "certificate is not yet valid");
    let other_name = Words("not valid for name", "ostname mismatch");
    let other_address = Words("not valid for name", "IP address mismatch");
    for (host, identity, words) in [
        (HERE[0], &stranger, UNKNOWN),
        (HERE[0], &other, other_name),
        (HERE[1], &other, other_address),
        (HERE[0], &later, not_yet),
    ] {
        for provider in providers() {
            let server = TlsServer::start(identity);
            let client = client(host, server.port(), trusting(provider, &authority));
            refused(&client, &server, words.of(provider));
        }
    }
}

#[test]
fn the_clients_own_agent_refuses_a_strangers_certificate() {
    let server = TlsServer::start(&Authority::new("stranger").issue(&HERE));
    let client = builder("localhost", server.port()).build().unwrap();
    let own = match cfg!(feature = "rustls") {
        true => TlsProvider::Rustls,
        false => TlsProvider::NativeTls,
    };

    refused(&client, &server, UNKNOWN.of(own));
}

#[test]
fn a_wait_ends_at_a_certificate_that_is_refused() {
    let server = TlsServer::start(&Authority::new("stranger").issue(&HERE));
    let client = builder("localhost", server.port()).build().unwrap();

    not_sent(client.project("p").wait_until_completed(&Wait::default()));

    assert_eq!(server.connections(), 1);
}

/// The client's own agent believes whom its features say: the list in the program, or that of the
/// system.
/// Only on Linux a variable says where that is.
#[cfg(target_os = "linux")]
#[test]
fn the_systems_list_is_asked_where_the_features_say_so() {
    use crate::support::child;

    if child::is_child() {
        let client = Client::from_env().unwrap();
        println!("{:?} {:?}", edit(&client), edit(&client));
        return;
    }
    let authority = Authority::new("of the system");
    let server = TlsServer::start(&authority.issue(&HERE));
    let list = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(list.path(), authority.pem()).unwrap();
    let url = format!("https://localhost:{}/v1", server.port());
    let variables = [
        ("SSL_CERT_FILE", list.path().to_str().unwrap()),
        ("IMAGEN_API_KEY", KEY),
        ("IMAGEN_BASE_URL", &url),
    ];

    let test = "tls::the_systems_list_is_asked_where_the_features_say_so";
    let text = child::run(test, &variables);

    if cfg!(feature = "platform-verifier") || !cfg!(feature = "rustls") {
        server.assert_keyed(2);
        assert_eq!(server.connections(), 1, "{text}");
    } else {
        assert!(text.contains("UnknownIssuer"), "{text}");
        assert_eq!(server.requests().len(), 0);
    }
}
