//! Any answer to any call: nothing panics, an error can be shown, and an edit that was sent is never
//! said to be safe to send again.

#![no_main]

use imagen_ai::{Client, Error, Output, ProjectFilter, VersionId};
use imagen_ai_fuzz::{Service, answer, check_shown, first};
use libfuzzer_sys::fuzz_target;

const STATUSES: [u16; 14] = [
    200, 200, 201, 204, 302, 307, 400, 401, 404, 408, 422, 425, 500, 504,
];

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let call = first(&mut data);
    let status = first(&mut data);
    let answer = match STATUSES.get(status) {
        Some(status) => answer(*status, "content-type: application/json\r\n", data),
        // The head is the fuzzer's too.
        None => [b"HTTP/1.1 ", data].concat(),
    };
    let service = Service::new([answer]);
    if let Err(error) = make(&service.client(), call) {
        check_shown(&error, "");
        let is_paid = call % CALLS < PAID;
        let is_sent = !service.received().is_empty();
        assert!(
            !(is_paid && is_sent && matches!(error, Error::Network(_))),
            "{error}"
        );
    }
});

/// How many calls there are, and how many of them cost or make something. Those come first.
const CALLS: usize = 16;
const PAID: usize = 4;

fn make(client: &Client, call: usize) -> Result<(), Error> {
    let project = client.project("p");
    let image = project.image("a.jpg");
    match call % CALLS {
        0 => {
            let edit = image.copilot("x")?;
            if let Ok(version) = edit.version() {
                check_version(version);
            }
            let _ = format!("{edit:?}");
        }
        1 => drop(image.enhance("x")?),
        2 => project.export()?,
        3 => drop(client.create_project("x")?),
        4 => drop(project.presets()?),
        5 => drop(project.history()?),
        6 => drop(project.info()?),
        7 => drop(project.edit_status()?),
        8 => drop(project.download_links(Output::Jpeg)?),
        9 => drop(project.finalize()?),
        10 => drop(client.profiles()?),
        11 => drop(client.sky_templates()?),
        12 => drop(client.find_project("x")?),
        13 => {
            for project in client.projects(&ProjectFilter::default()) {
                project?;
            }
        }
        14 => image.reset()?,
        _ => drop(project.images()?),
    }
    Ok(())
}

/// Checks that an id goes back as it came, and that what is printed reads as the same id.
fn check_version(version: &VersionId) {
    let json = serde_json::to_string(version).expect("an id is JSON");
    assert_eq!(
        &serde_json::from_str::<VersionId>(&json).expect("JSON"),
        version
    );
    assert_eq!(
        &format!("{version:?}").parse::<VersionId>().expect("an id"),
        version
    );
}
