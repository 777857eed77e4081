//! The edit and the export of a whole project: what is sent, what is refused, how it is waited for.

use std::ops::ControlFlow;
use std::time::Duration;

use imagen_ai::{
    Client, CropAspectRatio, EditOptions, Error, HdrOutputCompression, PhotographyType, Project,
    ProjectKind, ProjectStatus, Result, Wait, WaitReason,
};

use crate::support::canned::Canned;
use crate::support::faulty::{End, Faulty, Reply, Request};
use crate::support::simulator::{IN_PROGRESS, Simulator};
use crate::support::{client_at, client_of, ms, refused};

const QUICK: Wait = Wait {
    first: Duration::from_millis(1),
    factor: 1.0,
    longest: Duration::from_millis(1),
    total: Duration::from_secs(2),
};

fn project_of(server: &Faulty, kind: ProjectKind) -> Project {
    client_at(&server.url(), "sk-edit").project_of(kind, "p")
}

/// The request line, the content type and the body.
fn parts(request: &Request) -> (&str, Option<&str>, &str) {
    let line = request.head.lines().next().unwrap();
    assert_eq!(request.header("x-api-key"), Some("sk-edit"));
    (
        line,
        request.header("content-type"),
        std::str::from_utf8(&request.body).unwrap(),
    )
}

#[test]
fn the_edit_of_a_profile_goes_out_with_an_empty_content_type() {
    let server = Faulty::start([Reply::json("{\"message\":\"Editing started\"}")]);
    let options = EditOptions::profile(5700)
        .photography_type(PhotographyType::RealEstate)
        .crop(true)
        .straighten(false);
    project_of(&server, ProjectKind::ProfileBased)
        .edit(&options)
        .unwrap();
    let body = r#"{"crop":true,"photography_type":"REAL_ESTATE","profile_key":5700}"#;
    let line = "POST /projects/p/edit HTTP/1.1";
    assert_eq!(parts(&server.received()[0]), (line, Some(""), body));
    // The line is there, and empty.
    let sent = String::from_utf8(server.bytes_received()).unwrap();
    assert_eq!(sent.matches("\r\ncontent-type: \r\n").count(), 1, "{sent}");
}

#[test]
fn after_415_it_is_sent_once_more_as_json() {
    for (second, is_ok) in [(Reply::status(200), true), (Reply::status(415), false)] {
        let server = Faulty::start([Reply::status(415), second]);
        let result = project_of(&server, ProjectKind::ProfileBased).edit(&EditOptions::profile(1));
        assert_eq!(result.is_ok(), is_ok, "{result:?}");
        let received = server.received();
        assert_eq!(received.len(), 2);
        let content_type = received
            .iter()
            .map(|request| request.header("content-type").unwrap());
        assert_eq!(content_type.collect::<Vec<_>>(), ["", "application/json"]);
        assert_eq!(received[1].body, br#"{"profile_key":1}"#);
    }
    // What came of the second is as unknown as of the first.
    let server = Faulty::start([Reply::status(415), Reply::status(502)]);
    let result = project_of(&server, ProjectKind::ProfileBased).edit(&EditOptions::profile(1));
    assert!(
        matches!(result, Err(Error::OutcomeUnknown(_))) && server.requests() == 2,
        "{result:?}"
    );
    let server = Faulty::start([Reply::status(415)]);
    let result = project_of(&server, ProjectKind::Smart).edit(&EditOptions::smart());
    assert_eq!(
        (result.unwrap_err().status(), server.requests()),
        (Some(415), 1)
    );
}

#[test]
fn a_smart_edit_is_json_and_an_export_has_no_body() {
    let server = Faulty::start([Reply::status(204)]);
    let options = EditOptions::smart()
        .hdr_merge(true)
        .perspective_correction(true)
        .sky_replacement(true)
        .sky_replacement_template_id(3)
        .callback_url("https://example.com/token".to_owned());
    project_of(&server, ProjectKind::Smart)
        .edit(&options)
        .unwrap();
    project_of(&server, ProjectKind::Smart)
        .edit(&EditOptions::smart())
        .unwrap();
    project_of(&server, ProjectKind::ProfileBased)
        .export()
        .unwrap();
    let received = server.received();
    let body = r#"{"callback_url":"https://example.com/token","hdr_merge":true,"perspective_correction":true,"sky_replacement":true,"sky_replacement_template_id":3}"#;
    let (line, json) = (
        "POST /i2i/projects/p/edit HTTP/1.1",
        Some("application/json"),
    );
    assert_eq!(parts(&received[0]), (line, json, body));
    assert_eq!(parts(&received[1]), (line, json, "{}"));
    assert_eq!(
        parts(&received[2]),
        ("POST /projects/p/export HTTP/1.1", None, "")
    );
    let framing = ["content-length", "transfer-encoding"].map(|name| received[2].header(name));
    assert_eq!(framing, [Some("0"), None]);
}

#[test]
fn every_option_has_its_name_on_the_wire() {
    let json = concat!(
        r#"{"profile_key":1,"photography_type":"NEW","crop":true,"portrait_crop":true,"headshot_crop":true,"#,
        r#""crop_aspect_ratio":"5X7","straighten":true,"perspective_correction":true,"hdr_merge":true,"#,
        r#""hdr_output_compression":"LOSSLESS","smooth_skin":true,"subject_mask":true,"window_pull":true,"#,
        r#""sky_replacement":true,"sky_replacement_template_id":2,"callback_url":"https://a/"}"#,
    );
    let all: EditOptions = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&all).unwrap(), json);
    assert_eq!(
        all.photography_type,
        Some(PhotographyType::Other("NEW".to_owned()))
    );
    assert_eq!(all.crop_aspect_ratio, Some(CropAspectRatio::FiveBySeven));
    assert_eq!(
        all.hdr_output_compression,
        Some(HdrOutputCompression::Lossless)
    );
    let words = "NO_TYPE OTHER PORTRAITS WEDDING REAL_ESTATE LANDSCAPE_NATURE EVENTS FAMILY_NEWBORN BOUDOIR SPORTS SCHOOL";
    for word in words.split(' ') {
        let parsed = PhotographyType::from(word.to_owned());
        let known = !matches!(parsed, PhotographyType::Other(_));
        assert!(parsed.as_str() == word && known, "{word}");
    }
}

#[test]
fn options_that_do_not_go_together_are_refused_before_sending() {
    use ProjectKind::{ProfileBased, Smart};
    let server = Canned::new(200, "{}");
    let (profile, smart) = (|| EditOptions::profile(1), EditOptions::smart);
    let table = [
        (ProfileBased, smart(), "profile_key"),
        (
            ProfileBased,
            profile().crop(true).portrait_crop(true),
            "portrait_crop",
        ),
        (
            ProfileBased,
            profile().crop(true).headshot_crop(true),
            "headshot_crop",
        ),
        (
            ProfileBased,
            profile().portrait_crop(true).headshot_crop(true),
            "headshot_crop",
        ),
        (
            ProfileBased,
            profile().straighten(true).perspective_correction(true),
            "perspective_correction",
        ),
        (
            ProfileBased,
            profile().sky_replacement_template_id(1),
            "sky_replacement_template_id",
        ),
        (
            ProfileBased,
            profile().hdr_output_compression(HdrOutputCompression::Lossy),
            "hdr_output_compression",
        ),
        (
            ProfileBased,
            profile().callback_url("http://a/".to_owned()),
            "callback_url",
        ),
        (
            ProfileBased,
            profile().callback_url("not a url".to_owned()),
            "callback_url",
        ),
        (Smart, profile(), "profile_key"),
        (Smart, smart().straighten(true), "straighten"),
        (
            Smart,
            smart().photography_type(PhotographyType::Events),
            "photography_type",
        ),
        (
            Smart,
            smart().crop_aspect_ratio(CropAspectRatio::TwoByThree),
            "crop_aspect_ratio",
        ),
        (
            Smart,
            smart()
                .hdr_merge(true)
                .hdr_output_compression(HdrOutputCompression::Lossy),
            "hdr_output_compression",
        ),
        (
            Smart,
            smart().sky_replacement_template_id(1),
            "sky_replacement_template_id",
        ),
        (
            Smart,
            smart().callback_url("/callback".to_owned()),
            "callback_url",
        ),
    ];
    for (kind, options, expected) in table {
        refused(
            server.client().project_of(kind, "p").edit(&options),
            expected,
        );
    }
    let house = server.client().smart_project("p");
    refused(house.export(), "project_source");
    refused(house.export_status(), "project_source");
    refused(house.wait_until_exported(&QUICK), "project_source");
    assert!(server.seen().is_empty());
}

#[test]
fn what_may_have_begun_is_not_sent_again_and_says_where_to_look() {
    type Call = fn(&Client) -> Result<()>;
    let table: [(Call, &str); 4] = [
        (
            |c| c.project("p").edit(&EditOptions::profile(1)),
            "Project::edit_status()",
        ),
        (
            |c| c.smart_project("p").edit(&EditOptions::smart()),
            "five at least",
        ),
        (|c| c.project("p").export(), "Project::export_status()"),
        (|c| c.create_project("a").map(drop), "Client::projects()"),
    ];
    let slow = || Reply::status(503).header("Retry-After", "0");
    for (call, advice) in table {
        let call = |server: &Faulty| call(&client_at(&server.url(), "sk-edit"));
        for reply in [
            Reply::status(500),
            slow(),
            Reply::html(504, "<html>"),
            Reply::status(408),
            End::Close.after_request(),
        ] {
            let server = Faulty::start([reply]);
            let error = call(&server).unwrap_err();
            assert!(
                matches!(&error, Error::OutcomeUnknown(e) if e.advice.contains(advice)),
                "{error}"
            );
            assert!(
                error.to_string().contains(advice) && !error.is_safe_to_retry(),
                "{error}"
            );
            assert_eq!(server.requests(), 1);
        }
        let busy = Reply::status(429).header("Retry-After", "0");
        let server = Faulty::start([busy, Reply::json(r#"{"project_uuid":"p"}"#)]);
        call(&server).unwrap();
        assert_eq!(server.requests(), 2);
        let server = Faulty::start([Reply::json(r#"{"status":"FAILED","message":"no credits"}"#)]);
        let error = call(&server).unwrap_err();
        assert!(
            matches!(&error, Error::Api(e) if e.message == "no credits"),
            "{error}"
        );
    }
}

#[test]
fn a_status_is_read_in_all_its_forms() {
    use ProjectStatus::{Completed, Failed, InProgress, Other};
    let failed = r#"{"data":{"status":"FAILED","progress":null,"details":{"code":7}}}"#;
    for (body, status, progress, details) in [
        (
            r#"{"status":"In Progress","progress":12.5,"details":null}"#,
            InProgress,
            Some(12.5),
            "null",
        ),
        (failed, Failed, None, r#"{"code":7}"#),
        (
            r#"{"status":"Completed","progress":"100","error":null}"#,
            Completed,
            None,
            "null",
        ),
        (
            r#"{"status":"Queued","details":"soon"}"#,
            Other("Queued".to_owned()),
            None,
            r#""soon""#,
        ),
    ] {
        let server = Canned::new(200, body);
        let project = server.client().project("p");
        for job in [
            project.edit_status().unwrap(),
            project.export_status().unwrap(),
        ] {
            let found = serde_json::to_string(&job.details).unwrap();
            assert_eq!(
                (&job.status, job.progress, found.as_str()),
                (&status, progress, details),
                "{body}"
            );
        }
        assert_eq!(
            server
                .client()
                .smart_project("p")
                .edit_status()
                .unwrap()
                .status,
            status
        );
        let [edit, export, smart] = &server.seen()[..] else {
            panic!()
        };
        let paths = [&edit.path, &export.path].map(|path| path.as_str());
        assert_eq!(
            paths,
            ["/v1/projects/p/edit/status", "/v1/projects/p/export/status"]
        );
        assert_eq!(smart.path, "/v1/i2i/projects/p?get_thumbnail=false");
    }
    let server = Canned::new(200, r#"{"error":{"message":"internal"}}"#);
    assert!(matches!(
        server.client().project("p").edit_status(),
        Err(Error::Api(_))
    ));
}

#[test]
fn a_wait_in_vain_says_why_with_the_services_details() {
    let reason = |result| match result {
        Err(Error::WaitFailed(e)) => (e.waited_for, e.reason, e.message),
        other => panic!("{other:?}"),
    };
    let simulator = Simulator::start();
    simulator.complete_after(IN_PROGRESS, 1);
    simulator.fail_edit(IN_PROGRESS, "no faces found");
    let failed = reason(
        client_of(&simulator)
            .project(IN_PROGRESS)
            .wait_until_edited(&QUICK),
    );
    assert_eq!(
        failed,
        ("edit", WaitReason::Failed, "no faces found".to_owned())
    );

    let server = Canned::new(200, r#"{"status":"In Progress","details":{"queue":7}}"#);
    let project = server.client().project("p");
    let late = reason(project.wait_until_exported(&Wait {
        total: ms(20),
        ..QUICK
    }));
    assert_eq!(
        late,
        ("export", WaitReason::TimedOut, r#"{"queue":7}"#.to_owned())
    );
    let mut polls = 0;
    let stopped = project.wait_until_exported_with(&QUICK, |status| {
        polls += usize::from(status.is_ok());
        if polls == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!((reason(stopped).1, polls), (WaitReason::Stopped, 3));
}

#[test]
fn a_wait_outlives_failures_that_pass() {
    let done = Reply::json(r#"{"status":"Completed","progress":100}"#);
    let server = Faulty::start([
        Reply::status(502),
        Reply::status(502),
        End::Close.after_request(),
        done,
    ]);
    let mut seen = Vec::new();
    let job =
        project_of(&server, ProjectKind::ProfileBased).wait_until_edited_with(&QUICK, |status| {
            seen.push(status.is_ok());
            ControlFlow::Continue(())
        });
    assert_eq!(
        (job.unwrap().progress, seen),
        (Some(100.0), vec![false, true])
    );
    let server = Faulty::start([Reply::status(404)]);
    let error = project_of(&server, ProjectKind::ProfileBased)
        .wait_until_edited(&QUICK)
        .unwrap_err();
    assert_eq!((error.status(), server.requests()), (Some(404), 1));
}
