use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use imagen_ai_simulator::{READY, SMART};
use serde_json::json;

use crate::support::{Service, eventually, put};

/// Takes one call and answers it. Returns the whole request.
fn take_call(listener: &TcpListener) -> String {
    listener.set_nonblocking(true).unwrap();
    let mut accepted = None;
    eventually(|| {
        accepted = listener.accept().ok();
        accepted.is_some()
    });
    let (mut stream, _) = accepted.unwrap();
    stream.set_nonblocking(false).unwrap();
    let mut request = String::new();
    let mut buffer = [0; 1024];
    while !request.ends_with('}') {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "{request}");
        request += std::str::from_utf8(&buffer[..count]).unwrap();
    }
    stream
        .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
        .unwrap();
    request
}

/// A simulator that calls back, with a photo to edit.
fn service() -> Service {
    let service = Service::start();
    service.configure(|settings| {
        settings.local_callbacks = true;
        settings.callback_after = Duration::from_millis(10);
    });
    let path = format!("/projects/{READY}/get_temporary_upload_links");
    let links = service.post(&path, json!({"files_list": [{"file_name": "a.NEF"}]}));
    put(&links.string("/files_list/0/upload_link"), b"RAW").is(200, "");
    service
}

#[test]
fn the_url_of_an_edit_is_called_when_it_is_done_without_a_poll() {
    let service = service();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("http://{address}/done?token=x");
    let edit = json!({"profile_key": 5700, "callback_url": url});
    service.edit(READY, edit).is(200, "");

    let call = take_call(&listener);
    assert!(
        call.starts_with("POST /done?token=x HTTP/1.1\r\n"),
        "{call}"
    );
    let body = format!(
        "\r\n\r\n{{\"action\":\"edit\",\"project_uuid\":\"{READY}\",\"status\":\"Completed\"}}"
    );
    assert!(call.ends_with(&body), "{call}");
    assert!(!call.contains(service.key()), "{call}");
    assert_eq!(service.projects()[0].images, ["a.JPEG"]);
}

#[test]
fn the_call_tells_of_a_failed_edit() {
    let service = service();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    service.fail_edit(READY, "out of paint");
    let edit = json!({"profile_key": 5700, "callback_url": url});
    service.edit(READY, edit).is(200, "");
    let call = take_call(&listener);
    assert!(call.contains("\"status\":\"Failed\""), "{call}");
}

#[test]
fn a_url_elsewhere_must_be_https() {
    let service = service();
    let edit = json!({"profile_key": 5700, "callback_url": "http://example.com:80/"});
    service.edit(READY, edit).is(422, "https");
    let path = format!("/i2i/projects/{SMART}/edit");
    let edit = json!({"callback_url": "http://10.0.0.1:80/"});
    service.post(&path, edit).is(422, "https");
}
