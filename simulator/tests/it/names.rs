use imagen_ai_simulator::{ProjectSpec, READY};
use serde_json::Value;

use crate::support::Service;

/// Names, as they are in a path, and as the simulator encodes them.
const NAMES: [(&str, &str, &str); 8] = [
    ("IMG #1.jpg", "IMG%20%231.jpg", "IMG%20%231.jpg"),
    ("100%.jpg", "100%25.jpg", "100%25.jpg"),
    ("a/b\\c.jpg", "a%2Fb%5Cc.jpg", "a%2Fb%5Cc.jpg"),
    ("1+1&2.jpg", "1+1&2.jpg", "1%2B1%262.jpg"),
    ("%41.jpg", "%2541.jpg", "%2541.jpg"),
    ("caf\u{e9}.jpg", "caf%C3%A9.jpg", "caf%C3%A9.jpg"),
    ("cafe\u{301}.jpg", "cafe%CC%81.jpg", "cafe%CC%81.jpg"),
    ("🌤.jpg", "%f0%9f%8c%a4.jpg", "%F0%9F%8C%A4.jpg"),
];

fn service() -> Service {
    let service = Service::start();
    let names = NAMES.map(|(name, ..)| name);
    service.add_project(ProjectSpec::profile_based(READY).images(names));
    service
}

#[test]
fn a_name_is_one_segment_of_the_path_byte_for_byte() {
    let service = service();
    for (at, (name, sent, encoded)) in NAMES.into_iter().enumerate() {
        let version = 123 + at;
        let edited = service.copilot(sent, Value::Null);
        edited.is(200, &format!("/{version}/{encoded}?"));
        assert_eq!(service.versions(READY, name).len(), 1, "{name}");
    }
    service
        .copilot("A.jpg", Value::Null)
        .is(404, "Image not found.");
}

#[test]
fn a_plus_in_a_query_is_a_space() {
    let service = service();
    for (sent, encoded) in [
        ("1%2B1%262.jpg", "1%2B1%262.jpg"),
        ("a/b%5Cc.jpg", "a%2Fb%5Cc.jpg"),
        ("IMG+%231.jpg", "IMG%20%231.jpg"),
    ] {
        let path = format!("/projects/{READY}/export/get_download_link?file_name={sent}");
        service.get(&path).is(200, &format!("/unedited/{encoded}?"));
    }
}

#[test]
fn requests_are_kept_as_they_came() {
    let service = service();
    service.copilot("IMG%20%231.jpg", Value::Null);
    let received = &service.requests()[0];
    let target = format!("/v1/projects/{READY}/images/IMG%20%231.jpg/copilot");
    assert_eq!(received.target(), target);
    assert_eq!(received.header("x-api-key"), Some(service.key()));
    assert_eq!(received.json()["instruction"], "brighten");
    service.clear_requests();
    assert!(service.requests().is_empty());
}
