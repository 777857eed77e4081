//! TLS for real: which servers are believed, and what the caller hears of those that are not.

use std::time::Duration;

use imagen_ai::ureq::tls::{TlsConfig, TlsProvider};
use imagen_ai::{
    CallError, CauseKind, Client, ClientBuilder, Enhancement, Error, Result, RetryPolicy, Wait,
};

use crate::support::canned::KEY;
use crate::support::tls::{Authority, TlsServer, agent, providers, trusting};
use crate::support::{child, ms};

const HERE: [&str; 2] = ["localhost", "127.0.0.1"];

fn builder(host: &str, port: u16) -> ClientBuilder {
    let retry = RetryPolicy {
        max_attempts: 2,
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

/// Every call to this server ends before a request, in TLS. The words of OpenSSL differ from those
/// of `rustls`, and those of other systems are not known here.
#[track_caller]
fn refused(
    client: &Client,
    server: &TlsServer,
    provider: TlsProvider,
    rustls: &str,
    openssl: &str,
) {
    let words = match provider {
        TlsProvider::Rustls => rustls,
        _ if cfg!(target_os = "linux") => openssl,
        _ => "TLS",
    };
    let project = client.project("p");
    for result in [
        edit(client).map(drop),
        project.image("a.jpg").reset(),
        project.presets().map(drop),
    ] {
        let call = not_sent(result);
        let (message, port) = (&call.cause.message, format!(":{}: ", server.port()));
        assert!(
            message.contains(words) && message.contains(&port),
            "{words:?} is not in {call}"
        );
        assert_eq!((call.context.attempts, call.context.status), (2, None));
    }
    assert_eq!((server.connections(), server.requests().len()), (3 * 2, 0));
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
    let unknown = "unable to get local issuer certificate";
    for (host, identity, rustls, openssl) in [
        (HERE[0], &stranger, "UnknownIssuer", unknown),
        (HERE[0], &other, "not valid for name", "ostname mismatch"),
        (HERE[1], &other, "not valid for name", "IP address mismatch"),
    ] {
        for provider in providers() {
            let server = TlsServer::start(identity);
            let client = client(host, server.port(), trusting(provider, &authority));
            refused(&client, &server, provider, rustls, openssl);
        }
    }
    // The client's own agent refuses it too, and a wait ends at once.
    let server = TlsServer::start(&stranger);
    let client = builder("localhost", server.port()).build().unwrap();
    let own = if cfg!(feature = "rustls") {
        TlsProvider::Rustls
    } else {
        TlsProvider::NativeTls
    };
    refused(&client, &server, own, "UnknownIssuer", unknown);
    not_sent(client.project("p").wait_until_completed(&Wait::default()));
    assert_eq!(server.connections(), 4 * 2);
}

/// The client's own agent believes whom its features say: the list in the program, or that of the
/// system.
#[cfg(target_os = "linux")]
#[test]
fn the_systems_list_is_asked_where_the_features_say_so() {
    if child::is_child() {
        let client = Client::from_env().unwrap();
        println!("{:?} {:?}", edit(&client), edit(&client));
        return;
    }
    let authority = Authority::new("of the system");
    let server = TlsServer::start(&authority.issue(&HERE));
    let list = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(list.path(), authority.pem()).unwrap();
    let variables = [
        ("SSL_CERT_FILE", list.path().to_str().unwrap()),
        ("IMAGEN_API_KEY", KEY),
        (
            "IMAGEN_BASE_URL",
            &format!("https://localhost:{}/v1", server.port()),
        ),
    ];
    let text = child::run(
        "tls::the_systems_list_is_asked_where_the_features_say_so",
        &variables,
    );
    if cfg!(feature = "platform-verifier") || !cfg!(feature = "rustls") {
        server.assert_keyed(2);
        assert_eq!(server.connections(), 1, "{text}");
    } else {
        assert!(text.contains("UnknownIssuer"), "{text}");
        assert_eq!(server.requests().len(), 0);
    }
}
