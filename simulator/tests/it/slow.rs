use std::collections::BTreeSet;
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use imagen_ai_simulator::{READY, Simulator};
use serde_json::Value;

use crate::support::{IMAGE, answer_on, begin, eventually, prompt, send};

/// Sends a Copilot edit, or the beginning of one, and does not wait for the answer.
fn begin_edit(simulator: &Simulator, image: &str, parent: Value, cut: usize) -> TcpStream {
    let body = prompt("brighten", parent).to_string();
    let headers = format!(
        "x-api-key: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        simulator.key(),
        body.len(),
    );
    let path = format!("/projects/{READY}/images/{image}/copilot");
    let url = simulator.base_url() + &path;
    begin("POST", &url, &headers, &body.as_bytes()[..body.len() - cut])
}

fn info(simulator: &Simulator) -> u16 {
    let url = format!("{}/projects/{READY}", simulator.base_url());
    let key = format!("x-api-key: {}\r\n", simulator.key());
    send("GET", &url, &key, b"").status
}

#[test]
fn slow_edits_run_side_by_side() {
    let simulator = Simulator::start_slow(0, Duration::from_secs(3600)).unwrap();
    let images = [IMAGE, "DSC_0002.JPEG", "DSC_0003.JPEG"];
    let _waiting = images.map(|image| begin_edit(&simulator, image, Value::Null, 0));
    // One after the other, the second would arrive in an hour.
    eventually(|| simulator.requests().len() == 3);
}

#[test]
fn slow_edits_keep_apart() {
    let simulator = &Simulator::start_slow(0, Duration::from_millis(5)).unwrap();
    let work = |image: &str| {
        let mut parent = Value::Null;
        for _ in 0..5 {
            let stream = begin_edit(simulator, image, parent, 0);
            let answer = answer_on(stream).json();
            parent = answer["version_id"].clone();
            let url = answer["enhanced_image_url"].to_string();
            assert!(url.contains(&format!("/{parent}/{image}?")), "{url}");
        }
    };
    let images = [IMAGE, "DSC_0002.JPEG", "DSC_0003.JPEG"];
    thread::scope(|scope| {
        for image in images {
            scope.spawn(move || work(image));
        }
    });
    let mut ids = BTreeSet::new();
    for image in images {
        ids.extend(simulator.versions(READY, image).iter().map(|made| made.id));
    }
    assert_eq!(ids, (123..138).collect());
}

#[test]
fn an_edit_takes_its_latency() {
    const LATENCY: Duration = Duration::from_millis(100);
    let simulator = Simulator::start_slow(0, LATENCY).unwrap();
    let began = Instant::now();
    answer_on(begin_edit(&simulator, IMAGE, Value::Null, 0)).is(200, "SUCCESS");
    assert!(began.elapsed() >= LATENCY, "{:?}", began.elapsed());
}

#[test]
fn an_edit_has_its_effect_at_the_end_of_its_latency() {
    let simulator = Simulator::start_slow(0, Duration::from_secs(3600)).unwrap();
    let waiting = begin_edit(&simulator, IMAGE, Value::Null, 0);
    eventually(|| simulator.requests().len() == 1);
    // Nothing else is slow.
    assert_eq!(info(&simulator), 200);
    assert_eq!(simulator.versions(READY, IMAGE), []);
    drop(waiting);
}

#[test]
fn an_edit_is_made_though_the_client_has_gone_if_it_arrived_whole() {
    let simulator = Simulator::start_slow(0, Duration::from_millis(50)).unwrap();
    // One client goes in the middle of the body, and one when it has sent all.
    let cut = begin_edit(&simulator, "DSC_0002.JPEG", Value::Null, 9);
    cut.shutdown(Shutdown::Both).unwrap();
    let whole = begin_edit(&simulator, IMAGE, Value::Null, 0);
    whole.shutdown(Shutdown::Both).unwrap();
    eventually(|| simulator.versions(READY, IMAGE).len() == 1);
    assert_eq!(simulator.requests().len(), 1);
    assert_eq!(simulator.versions(READY, "DSC_0002.JPEG"), []);
}

#[test]
fn a_connection_carries_one_request() {
    let simulator = Simulator::start();
    let edit = answer_on(begin_edit(&simulator, IMAGE, Value::Null, 0));
    edit.is(200, "\r\nconnection: close\r\n");
}

#[test]
fn dropping_the_simulator_ends_it_and_what_waits_in_it() {
    let simulator = Simulator::start_slow(0, Duration::from_secs(3600)).unwrap();
    let waiting = begin_edit(&simulator, IMAGE, Value::Null, 0);
    eventually(|| simulator.requests().len() == 1);
    let url = simulator.base_url();
    let port: u16 = url
        .trim_end_matches("/v1")
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();

    drop(simulator);
    answer_on(waiting).is(503, "Service Unavailable");
    let again = Simulator::start_on(port).unwrap();
    assert_eq!(info(&again), 200);
}
