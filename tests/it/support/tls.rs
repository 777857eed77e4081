//! A server that speaks real TLS, with certificates that were made a moment ago.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use imagen_ai::ureq::Agent;
use imagen_ai::ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::lock;
use super::script::PATIENCE;
use super::wire::{KEY, OK};

/// Who signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub struct Identity {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// In the form that programs read from files.
    #[cfg(target_os = "linux")]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names, or addresses.
    pub fn issue(&self, names: &[&str]) -> Identity {
        self.sign(params(names))
    }

    /// The same, valid from the year 2100 on: what a machine makes of any certificate that thinks
    /// it is 1970.
    pub fn issue_for_later(&self, names: &[&str]) -> Identity {
        let mut params = params(names);
        params.not_before = rcgen::date_time_ymd(2100, 1, 1);
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Identity { certificate, key }
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params
        .distinguished_name
        .push(DnType::CommonName, "of a test");
    params
}

/// The kinds of TLS in this build.
pub fn providers() -> Vec<TlsProvider> {
    let rustls = cfg!(feature = "rustls").then_some(TlsProvider::Rustls);
    let native = cfg!(feature = "native-tls").then_some(TlsProvider::NativeTls);
    rustls.into_iter().chain(native).collect()
}

/// The setting of an agent that trusts this authority and nobody else.
pub fn trusting(provider: TlsProvider, authority: &Authority) -> TlsConfig {
    let roots = RootCerts::new_with_certs(&[Certificate::from_der(authority.0.der()).to_owned()]);
    TlsConfig::builder()
        .provider(provider)
        .root_certs(roots)
        .build()
}

/// An agent with this setting and no proxy.
pub fn agent(tls: TlsConfig) -> Agent {
    Agent::config_builder()
        .tls_config(tls)
        .proxy(None)
        .build()
        .into()
}

/// The server. It answers every request as if it were an edit that succeeded.
pub struct TlsServer {
    addr: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    requests: Vec<String>,
}

impl TlsServer {
    pub fn start(identity: &Identity) -> Self {
        let config = Arc::new(config(identity));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let addr = listener.local_addr().expect("a bound address");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                lock(&shared).connections += 1;
                let config = Arc::clone(&config);
                let shared = Arc::clone(&shared);
                // An error is a client that refuses the certificate, or that leaves.
                thread::spawn(move || serve(stream, config, &shared));
            }
        });
        Self { addr, seen }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    pub fn connections(&self) -> usize {
        lock(&self.seen).connections
    }

    /// The requests, each with its head and body.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.seen).requests.clone()
    }

    /// So many came, each of them with the key.
    #[track_caller]
    pub fn assert_keyed(&self, count: usize) {
        let requests = self.requests();
        assert_eq!(requests.len(), count, "{requests:?}");
        let key = format!("x-api-key: {KEY}\r\n");
        for request in requests {
            assert!(request.contains(&key), "{request}");
        }
    }
}

fn config(identity: &Identity) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(identity.key.serialize_der()).expect("a key");
    let certificate = identity.certificate.der().clone();
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate and its key")
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, seen: &Mutex<Seen>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut tls = StreamOwned::new(connection, stream);
    let length = OK.len();
    loop {
        let request = read_request(&mut tls)?;
        lock(seen).requests.push(request);
        write!(
            tls,
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{OK}"
        )?;
    }
}

fn read_request(from: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        from.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let mut request = String::from_utf8_lossy(&head).into_owned();
    let mut lines = request.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length: "));
    let length = length.unwrap_or("0").parse().map_err(io::Error::other)?;
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    request.push_str(&String::from_utf8_lossy(&body));
    Ok(request)
}
