//! What the size of `ureq`'s input buffer costs: `cargo bench --bench buffers`, in about a minute.
//!
//! A client keeps one for each connection, so that smaller ones save memory, and reading takes more steps. For each size
//! this prints the time of a large answer (a history of 60 MB), plain and by TLS, the time of a small one (an edit) on a
//! warm connection, and the peak of the heap for one connection with the small answer. The sizes take turns, and the
//! medians are printed. `src/transport/agent.rs` has the size that was chosen by this.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use imagen_ai::ureq::Agent;
use imagen_ai::ureq::tls::TlsConfig;
use peak_alloc::PeakAlloc;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const KIB: usize = 1024;
const SIZES: [usize; 6] = [4 * KIB, 8 * KIB, 16 * KIB, 32 * KIB, 64 * KIB, 128 * KIB];
/// That of a client, in all runs.
const OUTPUT_BUFFER: usize = 8 * KIB;

const SMALL: usize = 200;
const SMALL_CALLS: u32 = 500;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let whole = std::env::args().any(|argument| argument == "--bench");
    let (large, rounds) = if whole { (60_000_000, 9) } else { (1_000_000, 1) };
    let plain = serve(None)?;
    let tls = serve(Some(identity()?))?;

    let mut figures = SIZES.map(|_| [const { Vec::new() }; 3]);
    for round in 0..rounds {
        for turn in 0..SIZES.len() {
            let place = (round + turn) % SIZES.len();
            let agent = agent(SIZES[place]);
            figures[place][0].push(time(1, || get(&agent, &plain, large))?);
            figures[place][1].push(time(1, || get(&agent, &tls, large))?);
            get(&agent, &plain, SMALL)?;
            figures[place][2].push(time(SMALL_CALLS, || get(&agent, &plain, SMALL))?);
        }
    }

    println!("input buffer | 60 MB, ms | by TLS, ms | an edit, µs | peak heap, KiB");
    println!("--- | --- | --- | --- | ---");
    for (size, figures) in SIZES.iter().zip(&mut figures) {
        let [plain_time, tls_time, small] = figures.each_mut().map(|times| median(times).as_secs_f64() * 1e3);
        println!(
            "{} KiB | {plain_time:.1} | {tls_time:.1} | {:.1} | {:.0}",
            size / KIB,
            small * 1e3,
            peak(*size, &plain)? as f64 / KIB as f64
        );
    }
    Ok(())
}

fn agent(input_buffer: usize) -> Agent {
    Agent::config_builder()
        .input_buffer_size(input_buffer)
        .output_buffer_size(OUTPUT_BUFFER)
        .proxy(None)
        // What is measured is how bytes are read.
        .tls_config(TlsConfig::builder().disable_verification(true).build())
        .build()
        .into()
}

fn get(agent: &Agent, url: &str, bytes: usize) -> Result<()> {
    let mut response = agent.get(format!("{url}/{bytes}")).call()?;
    let body = response.body_mut().with_config().limit(u64::MAX).read_to_vec()?;
    if body.len() == bytes {
        Ok(())
    } else {
        Err("not all of it came".into())
    }
}

fn time(calls: u32, call: impl Fn() -> Result<()>) -> Result<Duration> {
    let began = Instant::now();
    for _ in 0..calls {
        call()?;
    }
    Ok(began.elapsed() / calls)
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The most that one connection ever took of the heap, in bytes; with what the server on the other side takes.
fn peak(input_buffer: usize, url: &str) -> Result<usize> {
    // The server's side of the connection before this one ends meanwhile.
    thread::sleep(Duration::from_millis(50));
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let agent = agent(input_buffer);
    get(&agent, url, SMALL)?;
    Ok(HEAP.peak_usage().saturating_sub(before))
}

/// A certificate for this machine and nobody else, and the server's side of TLS with it.
fn identity() -> Result<Arc<ServerConfig>> {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)?;
    Ok(Arc::new(config))
}

/// Answers each request with as many bytes as its path says. Ends with the process.
fn serve(tls: Option<Arc<ServerConfig>>) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tls = tls.clone();
            thread::spawn(move || -> Result<()> {
                stream.set_nodelay(true)?;
                match tls {
                    Some(config) => answer(StreamOwned::new(ServerConnection::new(config)?, stream)),
                    None => answer(stream),
                }
            });
        }
    });
    Ok(url)
}

fn answer(stream: impl Read + Write) -> Result<()> {
    static PIECE: [u8; 64 * KIB] = [b'x'; 64 * KIB];
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let path = head.split(' ').nth(1).unwrap_or_default();
        let mut left: usize = path.trim_start_matches('/').parse()?;
        write!(stream.get_mut(), "HTTP/1.1 200 OK\r\nContent-Length: {left}\r\n\r\n")?;
        while left > 0 {
            let length = left.min(PIECE.len());
            stream.get_mut().write_all(&PIECE[..length])?;
            left -= length;
        }
        stream.get_mut().flush()?;
    }
}
