use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;

use imagen_ai_simulator::{READY, Status, checksum};
use serde_json::json;

use crate::support::{Service, answer_on, begin, put};

fn create(service: &Service, path: &str) -> String {
    let created = service.post(path, json!({"name": "Smith wedding"}));
    created.is(200, "").string("/project_uuid")
}

/// Asks for the link to one photo.
fn link(service: &Service, project: &str, name: &str) -> String {
    let path = format!("/projects/{project}/get_temporary_upload_links");
    let links = service.post(&path, json!({"files_list": [{"file_name": name}]}));
    links.is(200, "").string("/files_list/0/upload_link")
}

#[test]
fn links_come_in_another_order_than_the_names() {
    let service = Service::start();
    let project = create(&service, "/projects/");
    let path = format!("/projects/{project}/get_temporary_upload_links");
    let files = json!([
        {"file_name": "DSC_0001.NEF"},
        {"file_name": "DSC_0002.dng", "md5": "1B2M2Y8AsgTpgAmY7PhCfg=="},
    ]);
    let links = service.post(&path, json!({"files_list": files}));
    let links = links.is(
        200,
        "{\"files_list\":[{\"file_name\":\"DSC_0002.dng\",\"upload_link\":\"http",
    );
    put(&links.string("/files_list/1/upload_link"), b"raw bytes").is(200, "etag: \"");
    put(&links.string("/files_list/1/upload_link"), b"RAW BYTES").is(200, "");
    put(&links.string("/files_list/0/upload_link"), b"DNG").is(200, "");

    let photos = service.uploaded(&project);
    assert_eq!(photos.len(), 2);
    assert_eq!(photos[0].name, "DSC_0001.NEF");
    assert_eq!(photos[0].length, 9);
    assert_eq!(photos[0].bytes, b"RAW BYTES");
    assert_eq!(photos[1].checksum, checksum(b"DNG"));
    let last = service.projects().pop().unwrap();
    assert_eq!(last.name, "Smith wedding");
    assert_eq!(last.status, Status::Pending);
}

#[test]
fn a_bad_list_of_names_is_refused() {
    let service = Service::start();
    let project = create(&service, "/projects/");
    let path = format!("/projects/{project}/get_temporary_upload_links");
    let twice = json!({"files_list": [{"file_name": "a.jpg"}, {"file_name": "a.jpg"}]});
    service
        .post(&path, twice)
        .is(400, "File “a.jpg” appears 2 times.");
    for body in [
        json!({"files_list": []}),
        json!({"files_list": [{"name": "a.jpg"}]}),
        json!({"files_list": [{"file_name": ""}]}),
        json!({"files_list": [{"file_name": "a.jpg", "x": 1}]}),
        json!({"files_list": [{"file_name": "a.jpg"}], "client_type": "API"}),
    ] {
        service.post(&path, body).is(422, "detail");
    }
    let path = "/projects/unknown/get_temporary_upload_links";
    let unknown = service.post(path, json!({"files_list": [{"file_name": "a.jpg"}]}));
    unknown.is(404, "Project not found.");
}

#[test]
fn a_smart_project_wants_the_client_type() {
    let service = Service::start();
    let project = create(&service, "/i2i/projects/");
    let path = format!("/i2i/projects/{project}/get_temporary_upload_links");
    let refused = service.post(&path, json!({"files_list": [{"file_name": "a.jpg"}]}));
    refused.is(422, "client_type");
    let files = json!({"files_list": [{"file_name": "a.jpg"}], "client_type": "API"});
    service.post(&path, files).is(200, "upload_link");
}

#[test]
fn of_a_long_file_the_beginning_and_the_checksum_are_kept() {
    let service = Service::start();
    let bytes: Vec<u8> = (0..3_000_000_u32)
        .map(|number| number.to_le_bytes()[1])
        .collect();
    put(&link(&service, READY, "a.jpg"), &bytes).is(200, "");
    let photo = service.uploaded(READY).remove(0);
    assert_eq!(photo.length, 3_000_000);
    assert_eq!(photo.checksum, checksum(&bytes));
    assert_eq!(photo.bytes, bytes[..1 << 20]);
    assert_eq!(service.requests().pop().unwrap().body.len(), 1 << 20);
}

#[test]
fn a_client_that_waits_for_100_continue_gets_it() {
    let service = Service::start();
    let headers = "content-length: 3\r\nexpect: 100-continue\r\n";
    let mut stream = begin("PUT", &link(&service, READY, "a.jpg"), headers, b"");
    let mut lines = BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "HTTP/1.1 100 Continue");
    stream.write_all(b"abc").unwrap();
    let mut after = lines.skip_while(|line| !line.is_empty());
    assert_eq!(after.nth(1).unwrap(), "HTTP/1.1 200 OK");
    assert_eq!(service.uploaded(READY)[0].bytes, b"abc");
}

#[test]
fn a_file_that_is_cut_is_not_stored() {
    let service = Service::start();
    let link = link(&service, READY, "a.jpg");
    let upload = begin("PUT", &link, "content-length: 5000\r\n", &[0; 4999]);
    upload.shutdown(Shutdown::Write).unwrap();
    assert_eq!(answer_on(upload).status, 500);
    assert_eq!(service.uploaded(READY), []);
    assert_eq!(service.requests().len(), 1);
}
