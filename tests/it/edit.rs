//! The edit and the export of a whole project: what is sent, and what is refused. How they are
//! waited for is in `wait`.

use imagen_ai::{
    Client, CropAspectRatio, EditOptions, Error, HdrOutputCompression, PhotographyType,
    ProjectStatus, Result, StepStatus,
};
use mockito::{Matcher, Mock};

use crate::support::script::{End, Script, Turn};
use crate::support::wire::{Wire, assert_all};
use crate::support::{client_at, refused};

const EDIT: &str = "/v1/projects/p/edit";
const SMART_EDIT: &str = "/v1/i2i/projects/p/edit";
const EXPORT: &str = "/v1/projects/p/export";

/// An edit that is sent with this content type and this body, and answered with this status.
fn sent(wire: &mut Wire, path: &str, content_type: &str, body: &str, status: usize) -> Mock {
    wire.answers("POST", path, status, "")
        .match_header("content-type", content_type)
        .match_body(body)
        .create()
}

#[test]
fn the_edit_of_a_profile_goes_out_with_an_empty_content_type() {
    let mut wire = Wire::new();
    let body = r#"{"profile_key":5700,"photography_type":"REAL_ESTATE","crop":true}"#;
    let sent = sent(&mut wire, EDIT, "", body, 200);
    let options = EditOptions {
        photography_type: Some(PhotographyType::RealEstate),
        crop: true,
        straighten: false,
        ..EditOptions::profile(5700)
    };
    wire.client().project("p").edit(&options).unwrap();
    sent.assert();
}

#[test]
fn the_empty_content_type_is_a_line_of_its_own() {
    let script = Script::of([Turn::status(200)]);
    let project = client_at(&script.url(), "key").project("p");
    project.edit(&EditOptions::profile(1)).unwrap();
    let bytes = String::from_utf8(script.bytes_received()).unwrap();
    assert_eq!(
        bytes.matches("\r\ncontent-type: \r\n").count(),
        1,
        "{bytes}"
    );
}

#[test]
fn after_415_the_edit_is_sent_once_more_as_json() {
    for (second, is_ok) in [(200, true), (415, false)] {
        let mut wire = Wire::new();
        let body = r#"{"profile_key":1}"#;
        let both = [
            sent(&mut wire, EDIT, "", body, 415),
            sent(&mut wire, EDIT, "application/json", body, second),
        ];
        let result = wire.client().project("p").edit(&EditOptions::profile(1));
        assert_eq!(result.is_ok(), is_ok, "{result:?}");
        assert_all(&both);
    }
}

#[test]
fn the_outcome_of_the_second_edit_after_415_is_as_unknown_as_of_the_first() {
    let mut wire = Wire::new();
    let body = r#"{"profile_key":1}"#;
    let both = [
        sent(&mut wire, EDIT, "", body, 415),
        sent(&mut wire, EDIT, "application/json", body, 502),
    ];
    let project = wire.patient_client().project("p");
    let result = project.edit(&EditOptions::profile(1));
    assert!(
        matches!(result, Err(Error::OutcomeUnknown(_))),
        "{result:?}"
    );
    assert_all(&both);
}

#[test]
fn a_smart_edit_that_is_answered_415_is_not_sent_again() {
    let mut wire = Wire::new();
    let sent = sent(&mut wire, SMART_EDIT, "application/json", "{}", 415);
    let house = wire.patient_client().smart_project("p");
    let error = house.edit(&EditOptions::default()).unwrap_err();
    assert_eq!(error.status(), Some(415));
    sent.assert();
}

#[test]
fn a_smart_edit_is_json() {
    let mut wire = Wire::new();
    let body = r#"{"perspective_correction":true,"hdr_merge":true,"sky_replacement":true,"sky_replacement_template_id":3,"callback_url":"https://example.com/token"}"#;
    let both = [
        sent(&mut wire, SMART_EDIT, "application/json", body, 204),
        sent(&mut wire, SMART_EDIT, "application/json", "{}", 204),
    ];
    let options = EditOptions {
        hdr_merge: true,
        perspective_correction: true,
        sky_replacement: true,
        sky_replacement_template_id: Some(3),
        callback_url: Some("https://example.com/token".to_owned()),
        ..EditOptions::default()
    };
    let house = wire.client().smart_project("p");
    house.edit(&options).unwrap();
    house.edit(&EditOptions::default()).unwrap();
    assert_all(&both);
}

#[test]
fn an_export_has_no_body_and_says_so() {
    let mut wire = Wire::new();
    let sent = wire
        .answers("POST", EXPORT, 204, "")
        .match_header("content-length", "0")
        .match_header("transfer-encoding", Matcher::Missing)
        .match_header("content-type", Matcher::Missing)
        .match_body("")
        .create();
    wire.client().project("p").export().unwrap();
    sent.assert();
}

#[test]
fn every_option_has_its_name_on_the_wire() {
    let json = concat!(
        r#"{"profile_key":1,"photography_type":"NEW","crop":true,"portrait_crop":true,"headshot_crop":true,"#,
        r#""crop_aspect_ratio":"5X7","straighten":true,"perspective_correction":true,"hdr_merge":true,"#,
        r#""hdr_output_compression":"LOSSLESS","smooth_skin":true,"subject_mask":true,"window_pull":true,"#,
        r#""sky_replacement":true,"sky_replacement_template_id":2,"callback_url":"https://a/","export":true}"#,
    );
    let all = EditOptions {
        profile_key: Some(1),
        photography_type: Some(PhotographyType::Other("NEW".to_owned())),
        crop: true,
        portrait_crop: true,
        headshot_crop: true,
        crop_aspect_ratio: Some(CropAspectRatio::FiveBySeven),
        straighten: true,
        perspective_correction: true,
        hdr_merge: true,
        hdr_output_compression: Some(HdrOutputCompression::Lossless),
        smooth_skin: true,
        subject_mask: true,
        window_pull: true,
        sky_replacement: true,
        sky_replacement_template_id: Some(2),
        callback_url: Some("https://a/".to_owned()),
        export: true,
    };
    assert_eq!(serde_json::to_string(&all).unwrap(), json);
    assert_eq!(serde_json::from_str::<EditOptions>(json).unwrap(), all);
    assert_eq!(
        serde_json::to_string(&EditOptions::default()).unwrap(),
        "{}"
    );
}

#[test]
fn every_sort_of_photos_has_its_word_on_the_wire() {
    for word in [
        "NO_TYPE",
        "OTHER",
        "PORTRAITS",
        "WEDDING",
        "REAL_ESTATE",
        "LANDSCAPE_NATURE",
        "EVENTS",
        "FAMILY_NEWBORN",
        "BOUDOIR",
        "SPORTS",
        "SCHOOL",
    ] {
        let parsed = PhotographyType::from(word.to_owned());
        assert_eq!(parsed.as_str(), word);
        assert!(!matches!(parsed, PhotographyType::Other(_)), "{word}");
    }
}

#[test]
fn options_that_do_not_go_together_are_refused_before_sending() {
    type Change = fn(&mut EditOptions);
    let table: [(Change, &str, &str); 10] = [
        (
            |o| (o.crop, o.portrait_crop) = (true, true),
            "portrait_crop",
            "crop",
        ),
        (
            |o| (o.crop, o.headshot_crop) = (true, true),
            "headshot_crop",
            "crop",
        ),
        (
            |o| (o.portrait_crop, o.headshot_crop) = (true, true),
            "headshot_crop",
            "portrait_crop",
        ),
        (
            |o| (o.straighten, o.perspective_correction) = (true, true),
            "perspective_correction",
            "straighten",
        ),
        (
            |o| o.sky_replacement_template_id = Some(1),
            "sky_replacement_template_id",
            "needs sky_replacement",
        ),
        (
            |o| o.hdr_output_compression = Some(HdrOutputCompression::Lossy),
            "hdr_output_compression",
            "needs hdr_merge",
        ),
        (
            |o| o.callback_url = Some("http://a/".to_owned()),
            "callback_url",
            "https://",
        ),
        (
            |o| o.callback_url = Some("not a url".to_owned()),
            "callback_url",
            "https://",
        ),
        (
            |o| o.callback_url = Some("https://".to_owned()),
            "callback_url",
            "host",
        ),
        (|o| o.profile_key = None, "profile_key", "needs one"),
    ];
    let mut wire = Wire::new();
    let nothing = wire.hears_nothing();
    let project = wire.client().project("p");
    for (change, option, word) in table {
        let mut options = EditOptions::profile(1);
        change(&mut options);
        let text = refused(project.edit(&options), option);
        assert!(text.contains(word), "{text}");
    }
    assert_all(&nothing);
}

#[test]
fn a_smart_project_takes_no_option_that_is_not_its_own() {
    type Change = fn(&mut EditOptions);
    let table: [(Change, &str); 14] = [
        (|o| o.profile_key = Some(1), "profile_key"),
        (
            |o| o.photography_type = Some(PhotographyType::Events),
            "photography_type",
        ),
        (|o| o.crop = true, "crop"),
        (|o| o.portrait_crop = true, "portrait_crop"),
        (|o| o.headshot_crop = true, "headshot_crop"),
        (
            |o| o.crop_aspect_ratio = Some(CropAspectRatio::TwoByThree),
            "crop_aspect_ratio",
        ),
        (|o| o.straighten = true, "straighten"),
        (
            |o| {
                o.hdr_merge = true;
                o.hdr_output_compression = Some(HdrOutputCompression::Lossy);
            },
            "hdr_output_compression",
        ),
        (|o| o.smooth_skin = true, "smooth_skin"),
        (|o| o.subject_mask = true, "subject_mask"),
        (|o| o.window_pull = true, "window_pull"),
        (|o| o.export = true, "export"),
        // Of its own, and wrong.
        (
            |o| o.sky_replacement_template_id = Some(1),
            "sky_replacement_template_id",
        ),
        (
            |o| o.callback_url = Some("/callback".to_owned()),
            "callback_url",
        ),
    ];
    let mut wire = Wire::new();
    let nothing = wire.hears_nothing();
    let house = wire.client().smart_project("p");
    for (change, option) in table {
        let mut options = EditOptions::default();
        change(&mut options);
        refused(house.edit(&options), option);
    }
    assert_all(&nothing);
}

#[test]
fn a_smart_project_has_no_export() {
    let mut wire = Wire::new();
    let nothing = wire.hears_nothing();
    let house = wire.client().smart_project("p");
    refused(house.export(), "project_source");
    refused(house.export_status(), "project_source");
    assert_all(&nothing);
}

/// The calls that must not be made twice, and where each says to look.
type Once = (fn(&Client) -> Result<()>, &'static str);
const ONCE: [Once; 4] = [
    (
        |c| c.project("p").edit(&EditOptions::profile(1)),
        "Project::edit_status()",
    ),
    (
        |c| c.smart_project("p").edit(&EditOptions::default()),
        "five at least",
    ),
    (|c| c.project("p").export(), "Project::export_status()"),
    (|c| c.create_project("a").map(drop), "Client::projects()"),
];

#[test]
fn what_may_have_begun_is_not_sent_again_and_says_where_to_look() {
    for (call, advice) in ONCE {
        for turn in [
            Turn::status(500),
            Turn::status(503).header("Retry-After", "0"),
            Turn::html(504, "<html>"),
            Turn::status(408),
            End::Close.after_request(),
        ] {
            let script = Script::of([turn]);
            let error = call(&client_at(&script.url(), "key")).unwrap_err();
            let Error::OutcomeUnknown(unknown) = &error else {
                panic!("{error}");
            };
            assert!(unknown.advice.contains(advice), "{error}");
            assert!(error.to_string().contains(advice), "{error}");
            assert!(!error.is_safe_to_retry());
            assert_eq!(script.requests().len(), 1);
        }
    }
}

#[test]
fn what_was_refused_for_a_limit_is_sent_again() {
    for (call, _) in ONCE {
        let busy = Turn::status(429).header("Retry-After", "0");
        let script = Script::of([busy, Turn::json(r#"{"project_uuid":"p"}"#)]);
        call(&client_at(&script.url(), "key")).unwrap();
        assert_eq!(script.requests().len(), 2);
    }
}

#[test]
fn a_success_that_says_it_failed_is_none() {
    for (call, _) in ONCE {
        let wire = Wire::answering(200, r#"{"status":"FAILED","message":"no credits"}"#);
        let error = call(&wire.client()).unwrap_err();
        assert!(
            matches!(&error, Error::Api(e) if e.message == "no credits"),
            "{error}"
        );
    }
}

#[test]
fn a_status_is_asked_for_where_the_projects_kind_has_it() {
    let body = r#"{"status":"Completed"}"#;
    let mut wire = Wire::new();
    let mut asked = |path| wire.answers("GET", path, 200, body).create();
    let all = [
        asked("/v1/projects/p/edit/status"),
        asked("/v1/projects/p/export/status"),
        asked("/v1/i2i/projects/p?get_thumbnail=false"),
    ];
    let client = wire.client();
    client.project("p").edit_status().unwrap();
    client.project("p").export_status().unwrap();
    client.smart_project("p").edit_status().unwrap();
    assert_all(&all);
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
        let wire = Wire::answering(200, body);
        let project = wire.client().project("p");
        let house = wire.client().smart_project("p");
        let statuses: [StepStatus; 2] = [
            project.edit_status().unwrap(),
            project.export_status().unwrap(),
        ];
        for step in statuses {
            let found = serde_json::to_string(&step.details).unwrap();
            assert_eq!(
                (&step.status, step.progress, found.as_str()),
                (&status, progress, details),
                "{body}"
            );
        }
        assert_eq!(house.edit_status().unwrap().status, status);
    }
}

#[test]
fn an_error_in_place_of_a_status_is_one() {
    let wire = Wire::answering(200, r#"{"error":{"message":"internal"}}"#);
    let result = wire.client().project("p").edit_status();
    assert!(matches!(result, Err(Error::Api(_))), "{result:?}");
}
