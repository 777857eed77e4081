//! Downloads beside a bare `ureq` loop: `cargo bench --bench download [-- FOLDER]`, in about a
//! minute.
//!
//! A server on this machine, in a process of its own, sends 1 GiB. Each download is a process of
//! its own too, so that its peak memory can be told, and they take turns, so that a busy moment of
//! the machine meets all of them. The files are written to FOLDER (default: the system's for
//! temporary files), whose disk is part of the time.

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

const MIB: u64 = 1 << 20;
const LARGE: u64 = 1024 * MIB;
const ROUNDS: usize = 7;

/// What the README promises, beside a loop that syncs the file too.
const TIMES_BARE: f64 = 1.1;
const MORE_MEMORY: f64 = 4.0;

/// `bare` is `io::copy` to a file with the settings of `ureq`; `synced` also syncs the file, as
/// this crate does.
const WAYS: [&str; 3] = ["ours", "bare", "synced"];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve"] => serve(),
        ["get", way, url, path] => get(way, url, Path::new(path)),
        [folder] => compare(Path::new(folder)),
        _ => compare(&env::temp_dir()),
    }
}

fn compare(folder: &Path) -> Result<()> {
    let mut server = Command::new(env::current_exe()?);
    let server = server
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut server = server.spawn()?;
    let mut url = String::new();
    BufReader::new(server.stdout.take().ok_or("no output of the server")?).read_line(&mut url)?;
    let path = folder.join(format!("imagen-bench-{}", std::process::id()));

    let mut times = WAYS.map(|_| Vec::new());
    let mut peaks = [[0.0; 2]; WAYS.len()];
    for round in 0..ROUNDS {
        for turn in 0..WAYS.len() {
            // Nobody always comes after the same one.
            let place = (round + turn) % WAYS.len();
            for (size, length) in [LARGE, MIB].into_iter().enumerate() {
                let (seconds, peak) = measure(WAYS[place], url.trim(), length, &path)?;
                peaks[place][size] = f64::max(peaks[place][size], peak);
                if length == LARGE {
                    times[place].push(seconds);
                }
            }
        }
    }
    drop(server.stdin.take());
    server.wait()?;

    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let [ours, bare, synced] = times.each_mut().map(median);
    let [
        [large, small],
        [bare_large, bare_small],
        [synced_large, synced_small],
    ] = peaks;
    println!(
        "1 GiB from this machine to {}, the median of {ROUNDS}\n",
        folder.display()
    );
    println!("| | imagen-ai | bare `ureq` | bare `ureq`, synced |\n| --- | --- | --- | --- |");
    println!("| wall time, s | {ours:.3} | {bare:.3} | {synced:.3} |");
    println!(
        "| imagen-ai, times | | {:.2} | {:.2} |",
        ours / bare,
        ours / synced
    );
    println!("| peak memory, MiB | {large:.1} | {bare_large:.1} | {synced_large:.1} |");
    println!("| the same for 1 MiB | {small:.1} | {bare_small:.1} | {synced_small:.1} |");
    if ours / synced > TIMES_BARE || large - small > MORE_MEMORY {
        return Err(format!(
            "over the limit: {TIMES_BARE} times bare and synced, {MORE_MEMORY} MiB more"
        )
        .into());
    }
    Ok(())
}

/// One download in a process of its own: the seconds it took, and the peak of its memory in MiB.
fn measure(way: &str, url: &str, length: u64, path: &Path) -> Result<(f64, f64)> {
    let mut get = Command::new(env::current_exe()?);
    let get = get.args(["get", way, &format!("{url}/{length}")]).arg(path);
    let output = get.stderr(Stdio::inherit()).output()?;
    if !output.status.success() || fs::metadata(path)?.len() != length {
        return Err(format!("{way} did not download {length} bytes").into());
    }
    fs::remove_file(path)?;
    let text = String::from_utf8(output.stdout)?;
    let (seconds, peak) = text.trim().split_once(' ').ok_or("no figures")?;
    Ok((seconds.parse()?, peak.parse()?))
}

fn get(way: &str, url: &str, path: &Path) -> Result<()> {
    let began = Instant::now();
    if way == "ours" {
        imagen_ai::Client::new("no-key-is-needed")?
            .download(imagen_ai::SignedUrl::from(url))
            .to_file(path)?;
    } else {
        let mut body = ureq::get(url).call()?.into_body();
        let mut file = File::create(path)?;
        io::copy(&mut body.as_reader(), &mut file)?;
        if way == "synced" {
            file.sync_all()?;
        }
    }
    println!("{} {}", began.elapsed().as_secs_f64(), peak_memory());
    Ok(())
}

/// The most memory that this process ever had, in MiB; 0 where the system does not tell.
fn peak_memory() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: Option<f64> =
        line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
    kib.unwrap_or_default() / 1024.0
}

/// Sends as many bytes as the path says, to as many as ask, until the standard input ends.
fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or_default();
    let mut left: u64 = path.trim_start_matches('/').parse().unwrap_or_default();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nConnection: close\r\nETag: \"x\"\r\nContent-Length: {left}\r\n\r\n"
    )?;
    let piece = vec![0xa5; 256 * 1024];
    while left > 0 {
        let length = left.min(piece.len() as u64);
        stream.write_all(&piece[..length as usize])?;
        left -= length;
    }
    Ok(())
}
