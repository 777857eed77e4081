use std::time::Duration;

use imagen_ai_simulator::READY;
use serde_json::{Value, json};

use crate::support::{IMAGE, Service, fetch, put, send};

/// Edits the image. Returns the URL of the version.
fn image(service: &Service) -> String {
    let edited = service.copilot(IMAGE, Value::Null);
    edited.is(200, "SUCCESS").string("/enhanced_image_url")
}

/// Returns an upload link.
fn upload(service: &Service) -> String {
    let path = format!("/projects/{READY}/get_temporary_upload_links");
    let links = service.post(&path, json!({"files_list": [{"file_name": "a.jpg"}]}));
    links
        .is(200, "upload_link")
        .string("/files_list/0/upload_link")
}

#[test]
fn a_link_serves_the_version_with_the_headers_of_s3() {
    let service = Service::start();
    let answer = fetch(&image(&service));
    assert_eq!(answer.body, service.jpeg(READY, IMAGE, Some(123)));
    answer
        .is(200, "content-type: image/jpeg")
        .has("x-amz-request-id: sim-")
        .has("accept-ranges: bytes")
        .has("last-modified: ")
        .has("etag: \"")
        .has("content-length: ");
}

#[test]
fn a_request_with_a_key_of_its_own_is_refused() {
    let service = Service::start();
    let key = format!("x-api-key: {}\r\n", service.key());
    for headers in [&key, "authorization: Bearer x\r\n"] {
        let code = "<Code>InvalidArgument</Code>";
        send("GET", &image(&service), headers, b"").is(400, code);
        send("PUT", &upload(&service), headers, b"").is(400, code);
    }
}

#[test]
fn a_link_is_good_as_it_was_given_out_and_for_one_method() {
    let service = Service::start();
    let get = image(&service);
    let put = upload(&service);
    let code = "<Code>SignatureDoesNotMatch</Code>";
    fetch(&put).is(403, code);
    send("PUT", &get, "", b"").is(403, code);
    send("POST", &put, "", b"x").is(403, code);
    fetch(&format!("{get}0")).is(403, code);
    fetch(&get.replace("DSC_0001", "DSC_0002")).is(403, code);
    fetch(&get.replace("DSC_0001", "DSC%5F0001")).is(403, code);
    fetch(&get.replace("X-Amz-Expires=3600", "X-Amz-Expires=9999")).is(403, code);
    let bare = get.split('?').next().unwrap();
    fetch(bare).is(403, "<Code>AccessDenied</Code>");
}

#[test]
fn head_of_a_link_is_refused_without_a_body() {
    let service = Service::start();
    let head = format!("{}\r\nconnection: close\r\n", "accept: */*");
    let stream = crate::support::begin("HEAD", &image(&service), &head, b"");
    let text = std::io::read_to_string(stream).unwrap();
    assert!(text.starts_with("HTTP/1.1 403 "), "{text}");
    assert!(text.ends_with("\r\n\r\n"), "{text}");
}

#[test]
fn an_upload_has_a_length_and_no_type() {
    let service = Service::start();
    let link = upload(&service);
    let typed = send("PUT", &link, "content-type: image/jpeg\r\n", b"bytes");
    typed.is(403, "<Code>SignatureDoesNotMatch</Code>");
    send("PUT", &link, "content-type:\r\n", b"bytes").is(200, "");
    put(&link, b"").is(411, "<Code>MissingContentLength</Code>");
    let chunked = send("PUT", &link, "transfer-encoding: chunked\r\n", b"0\r\n\r\n");
    chunked.is(501, "<Code>NotImplemented</Code>");
    assert_eq!(service.uploaded(READY)[0].bytes, b"bytes");
}

#[test]
fn a_range_is_sent_if_it_makes_sense_and_the_file_is_the_same() {
    let service = Service::start();
    let link = image(&service);
    let range = |headers: &str| send("GET", &link, headers, b"");
    range("range: bytes=10-19\r\n")
        .is(206, "content-range: bytes 10-19/")
        .has("content-length: 10");
    range("range: bytes=-5\r\n").is(206, "content-length: 5");
    range("range: bytes=0-\r\n").is(206, "content-range: bytes 0-");
    range("range: bytes=10-99999\r\n").is(206, "content-range: bytes 10-");
    range("range: bytes=10-19\r\nif-range: Thu, 01 Jan 2026 00:00:00 GMT\r\n")
        .is(206, "content-length: 10");

    let whole = format!("{READY}/123/{IMAGE}");
    for headers in [
        "range: bytes=10-19\r\nif-range: \"other\"\r\n",
        "range: bytes=0-1,3-4\r\n",
        "range: bytes=9-3\r\n",
        "range: lines=1-\r\n",
    ] {
        range(headers).is(200, &whole);
    }
    for headers in ["range: bytes=99999-\r\n", "range: bytes=-0\r\n"] {
        range(headers)
            .is(416, "<Code>InvalidRange</Code>")
            .has("content-range: bytes */");
    }
}

#[test]
fn links_expire_by_the_clock_of_the_simulator() {
    let service = Service::start();
    let get = image(&service);
    let put = upload(&service);
    service.expire_links();
    let message = "<Message>Request has expired</Message>";
    fetch(&get).is(403, message);
    send("PUT", &put, "", b"").is(403, message);

    let fresh = image(&service);
    fetch(&fresh).is(200, "");
    service.advance_clock(Duration::from_secs(3600));
    fetch(&fresh).is(403, message);
}
