//! Uploads beside a bare `ureq` loop, to a server in another process that reads and discards.
//!
//! `cargo bench --bench upload` sends a file of 1 GiB, and 200 files of 5 MB. `cargo bench --bench
//! upload -- MIB FILES` sends others. Without `--bench`, as under `cargo test`, the sizes are
//! small. The files are sparse.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use imagen_ai::ureq::http::Request;
use imagen_ai::ureq::{Agent, SendBody};
use imagen_ai::{Client, UploadOptions};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const RUNS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "server") {
        return serve();
    }
    let full = arguments.iter().any(|argument| argument == "--bench");
    let mut numbers = arguments
        .iter()
        .filter_map(|argument| argument.parse().ok());
    let mib: u64 = numbers.next().unwrap_or(if full { 1024 } else { 16 });
    let files: u64 = numbers.next().unwrap_or(if full { 200 } else { 4 });

    let mut server = Command::new(std::env::current_exe().unwrap());
    let server = server
        .arg("server")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut server = server.spawn().unwrap();
    let mut output = BufReader::new(server.stdout.take().unwrap()).lines();
    let url = &output.next().unwrap().unwrap();

    let folder = tempfile::tempdir().unwrap();
    let make = |name: String, length: u64| {
        let path = folder.path().join(name);
        File::create(&path).unwrap().set_len(length).unwrap();
        path
    };
    let large = [make("large.nef".into(), mib << 20)];
    let small = [make("small.nef".into(), 1)];
    let many: Vec<PathBuf> = (0..files)
        .map(|n| make(format!("{n}.nef"), 5_000_000))
        .collect();

    println!("| what | imagen-ai, s | bare `ureq`, s | times bare | peak heap, KiB | bare, KiB |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let row = |what: &str, paths: &[PathBuf], threads| {
        // By turns, so that a busy moment meets both.
        let runs = (0..RUNS).map(|_| {
            (
                measure(|| upload(url, paths, threads)),
                measure(|| bare(url, paths)),
            )
        });
        let (ours, theirs): (Vec<_>, Vec<_>) = runs.unzip();
        let best = |runs: &[(f64, usize)]| runs.iter().map(|run| run.0).fold(f64::MAX, f64::min);
        let most = |runs: &[(f64, usize)]| runs.iter().map(|run| run.1).max().unwrap();
        let (time, bare, memory) = (best(&ours), best(&theirs), most(&ours));
        let ratio = time / bare;
        println!(
            "| {what} | {time:.3} | {bare:.3} | {ratio:.2} | {memory} | {} |",
            most(&theirs)
        );
        memory
    };
    let least = row("a file of one byte", &small, 4);
    let most = row(&format!("a file of {mib} MiB"), &large, 4);
    row(&format!("{files} files of 5 MB, one at a time"), &many, 1);
    row(&format!("{files} files of 5 MB, four at a time"), &many, 4);
    // The server ends with its standard input.
    drop(server.stdin.take());
    server.wait().unwrap();
    let more = most.saturating_sub(least);
    println!("\nThe large file takes {more} KiB more memory than the small one; 4096 are allowed.");
    assert!(more <= 4096);
}

fn upload(url: &str, paths: &[PathBuf], threads: usize) {
    let options = UploadOptions {
        threads,
        ..UploadOptions::default()
    };
    let client = Client::builder("key").base_url(url).build().unwrap();
    for result in client.project("p").upload(paths, &options).unwrap() {
        result.unwrap();
    }
}

fn bare(url: &str, paths: &[PathBuf]) {
    let agent = Agent::new_with_defaults();
    for path in paths {
        let mut file = File::open(path).unwrap();
        let length = file.metadata().unwrap().len();
        let name = path.file_name().unwrap().to_str().unwrap();
        let request = Request::put(format!("{url}/{name}")).header("content-length", length);
        let body = SendBody::from_reader(&mut file);
        agent.run(request.body(body).unwrap()).unwrap();
    }
}

/// Returns the seconds that it takes, and the most memory beyond what was there before, in KiB.
fn measure(work: impl Fn()) -> (f64, usize) {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let began = Instant::now();
    work();
    let memory = ALLOCATOR.peak_usage().saturating_sub(before) / 1024;
    (began.elapsed().as_secs_f64(), memory)
}

fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    println!("{url}");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let url = url.clone();
            thread::spawn(move || answer(stream, &url));
        }
    });
    io::copy(&mut io::stdin(), &mut io::sink()).unwrap();
}

/// Answers the requests of one connection.
fn answer(stream: TcpStream, url: &str) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(256 * 1024, &stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        head.make_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = (&mut reader).take(length.map_or(0, |length| length.parse().unwrap()));
        if head.contains("expect: 100-continue") {
            (&stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut answer = String::new();
        if head.starts_with("post") {
            // Each name gets a link.
            let names = io::read_to_string(&mut body)?;
            let names = names
                .split("\"file_name\":\"")
                .skip(1)
                .filter_map(|rest| rest.split('"').next());
            let link = |name| format!(r#"{{"file_name":"{name}","upload_link":"{url}/{name}"}}"#);
            answer = format!(
                "{{\"files_list\":[{}]}}",
                names.map(link).collect::<Vec<_>>().join(",")
            );
        }
        io::copy(&mut body, &mut io::sink())?;
        (&stream).write_all(
            format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}",
                answer.len()
            )
            .as_bytes(),
        )?;
    }
}
