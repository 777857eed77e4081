use imagen_ai_simulator::{SMART, checksum};
use serde_json::json;

use crate::support::{Answer, Service, put};

const PART: usize = 1000;

/// A simulator that takes small parts.
fn service() -> Service {
    let service = Service::start();
    service.configure(|settings| settings.min_part_size = PART as u64);
    service
}

fn begin(service: &Service, part_count: usize) -> Answer {
    let path = format!("/i2i/projects/{SMART}/multipart_uploads");
    let body = json!({"file_name": "large.NEF", "part_count": part_count});
    service.post(&path, body).is(200, "\"part_number\":1")
}

fn complete(service: &Service, begun: &Answer) -> Answer {
    let upload = begun.string("/upload_id");
    let path = format!("/i2i/projects/{SMART}/multipart_uploads/{upload}/complete");
    service.post(&path, json!({"file_name": "large.NEF"}))
}

fn part(begun: &Answer, number: usize) -> String {
    begun.string(&format!("/parts/{}/upload_url", number - 1))
}

#[test]
fn parts_are_joined_in_the_order_of_their_numbers() {
    let service = service();
    let begun = begin(&service, 3);
    let file: Vec<u8> = (0..2500_u32)
        .map(|number| number.to_le_bytes()[0])
        .collect();
    put(&part(&begun, 3), &file[2 * PART..]).is(200, "etag: \"");
    put(&part(&begun, 1), b"an attempt that failed").is(200, "");
    put(&part(&begun, 1), &file[..PART]).is(200, "");
    put(&part(&begun, 2), &file[PART..2 * PART]).is(200, "");
    assert_eq!(service.unfinished_uploads(SMART), 1);
    complete(&service, &begun).is(204, "");

    let photo = service.uploaded(SMART).remove(0);
    assert_eq!(photo.name, "large.NEF");
    assert_eq!(photo.length, 2500);
    assert_eq!(photo.checksum, checksum(&file));
    assert_eq!(photo.bytes, file);
    assert_eq!(service.unfinished_uploads(SMART), 0);
    complete(&service, &begun).is(404, "Upload not found.");
}

#[test]
fn of_a_long_file_in_parts_the_beginning_is_kept() {
    let service = service();
    service.configure(|settings| settings.kept_bytes = 1500);
    let begun = begin(&service, 3);
    for number in 1..=3 {
        let byte = u8::try_from(number).unwrap();
        put(&part(&begun, number), &[byte; PART]).is(200, "");
    }
    complete(&service, &begun).is(204, "");
    let photo = service.uploaded(SMART).remove(0);
    assert_eq!(photo.length, 3000);
    assert_eq!(photo.bytes, [[1; 1000].as_slice(), &[2; 500]].concat());
}

#[test]
fn an_upload_is_complete_when_all_its_parts_are_there_and_large_enough() {
    let service = service();
    let begun = begin(&service, 2);
    put(&part(&begun, 1), &[0; PART - 1]).is(200, "");
    complete(&service, &begun).is(400, "Part 1 is smaller than 1000 bytes.");
    put(&part(&begun, 1), &[0; PART]).is(200, "");
    complete(&service, &begun).is(400, "Part 2 has not been uploaded.");
    put(&part(&begun, 2), b"x").is(200, "");
    complete(&service, &begun).is(204, "");
}

#[test]
fn an_aborted_upload_is_gone() {
    let service = service();
    let begun = begin(&service, 2);
    let upload = begun.string("/upload_id");
    let path = format!("/i2i/projects/{SMART}/multipart_uploads/{upload}");
    service
        .call("DELETE", &path, &[], "{\"key\":\"x\"}")
        .is(400, "another key");
    let body = json!({"key": begun.string("/key")}).to_string();
    service.call("DELETE", &path, &[], &body).is(204, "");
    put(&part(&begun, 1), &[0; PART]).is(404, "<Code>NoSuchUpload</Code>");
    complete(&service, &begun).is(404, "Upload not found.");
    assert_eq!(service.unfinished_uploads(SMART), 0);
}

#[test]
fn a_bad_body_of_an_upload_in_parts_is_refused() {
    let service = Service::start();
    let path = format!("/i2i/projects/{SMART}/multipart_uploads");
    for body in [
        json!({"file_name": "a.NEF"}),
        json!({"file_name": "a.NEF", "part_count": 0}),
        json!({"file_name": "a.NEF", "part_count": 10_001}),
        json!({"file_name": "", "part_count": 1}),
        json!({"file_name": "a.NEF", "part_count": 1, "client_type": "API"}),
    ] {
        service.post(&path, body).is(422, "detail");
    }
    let begun = begin(&service, 1);
    let path = format!("{path}/{}/complete", begun.string("/upload_id"));
    service
        .post(&path, json!({"file_name": "b.NEF"}))
        .is(400, "of another file");
    service
        .call("POST", &path, &[], "")
        .is(422, "Field required");
}
