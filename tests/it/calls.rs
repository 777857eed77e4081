//! The calls of an image and a project: what is sent, byte for byte, and what is made of the
//! answers.

use std::collections::HashSet;
use std::fmt::Debug;

use imagen_ai::{
    ApiError, ApiErrorKind, Client, CopilotRequest, DownloadLink, EnhanceRequest, Enhancement,
    EnhancementStatus, Error, Image, Output, Preset, Project, ProjectKind, ProjectStatus, Result,
    VersionId,
};
use mockito::{Matcher, Mock};

use crate::support::refused;
use crate::support::script::{Script, Turn};
use crate::support::wire::{KEY, OK, Wire, assert_all};

/// The answer that the vendor's page shows.
const PUBLISHED: &str = r#"{
  "status": "SUCCESS",
  "version_id": 123,
  "enhanced_image_url": "https://<s3-presigned>"
}"#;

/// Each kind of project, and what the wire calls it.
const KINDS: [(ProjectKind, &str); 2] = [
    (ProjectKind::ProfileBased, "REGULAR"),
    (ProjectKind::Smart, "I2I"),
];

/// Expects one request with this line and this body, byte for byte, and answers it. One without a
/// body has no content type.
fn expect(wire: &mut Wire, line: &str, body: &str, answer: &str) -> Mock {
    let (method, path) = line.split_once(' ').unwrap();
    let content_type = match body {
        "" => Matcher::Missing,
        _ => Matcher::from("application/json"),
    };
    wire.answers(method, path, 200, answer)
        .match_header("accept", "application/json")
        .match_header("content-type", content_type)
        .match_header(
            "user-agent",
            concat!("imagen-ai/", env!("CARGO_PKG_VERSION")),
        )
        .match_body(body)
        .create()
}

fn project(wire: &Wire) -> Project {
    wire.client().project("p")
}

fn image(wire: &Wire) -> Image {
    project(wire).image("a.jpg")
}

/// A prompt that is answered like this.
fn edit(answer: &str) -> Result<Enhancement> {
    image(&Wire::answering(200, answer)).copilot("x")
}

#[track_caller]
fn api<T: Debug>(result: Result<T>) -> ApiError {
    match result {
        Err(Error::Api(e)) => *e,
        other => panic!("{other:?}"),
    }
}

fn id(json: &str) -> VersionId {
    serde_json::from_str(json).unwrap()
}

// What is sent.

#[test]
fn the_published_prompt_is_sent_and_read_as_published() {
    let mut wire = Wire::new();
    let sent = expect(
        &mut wire,
        "POST /v1/projects/65f3a1c2d4e5f6a7b8c9d0e1/images/DSC_0001.JPEG/copilot",
        r#"{"instruction":"make the sky more blue","parent_version_id":null,"project_source":"REGULAR"}"#,
        PUBLISHED,
    );
    let image = wire
        .client()
        .project("65f3a1c2d4e5f6a7b8c9d0e1")
        .image("DSC_0001.JPEG");

    let edit = image.copilot("make the sky more blue").unwrap();

    sent.assert();
    assert_eq!(edit.status, EnhancementStatus::Success);
    assert_eq!(edit.version().unwrap(), &VersionId::from(123));
    assert_eq!(edit.enhanced_image_url.as_str(), "https://<s3-presigned>");
}

#[test]
fn a_prompt_names_its_parent_byte_for_byte_and_the_kind_of_its_project() {
    for parent in ["123", "9007199254740993", "\"v-1\"", r#""a\u0062""#, "1e3"] {
        for (kind, source) in KINDS {
            let mut wire = Wire::new();
            let body = format!(
                r#"{{"instruction":"x","parent_version_id":{parent},"project_source":"{source}"}}"#
            );
            let sent = expect(
                &mut wire,
                "POST /v1/projects/p/images/a.jpg/copilot",
                &body,
                OK,
            );
            let image = wire.client().project_of(kind, "p").image("a.jpg");

            image
                .copilot(CopilotRequest::new("x").parent(id(parent)))
                .unwrap();

            sent.assert();
        }
    }
}

#[test]
fn a_preset_is_sent_by_its_tool_id() {
    for (kind, source) in KINDS {
        let mut wire = Wire::new();
        let body = format!(
            r#"{{"tool_id":"day_to_dusk","parent_version_id":"v-1","project_source":"{source}"}}"#
        );
        let sent = expect(
            &mut wire,
            "POST /v1/projects/p/images/a.jpg/enhance",
            &body,
            OK,
        );
        let image = wire.client().project_of(kind, "p").image("a.jpg");

        image
            .enhance(EnhanceRequest::new("day_to_dusk").parent(id("\"v-1\"")))
            .unwrap();

        sent.assert();
    }
}

#[test]
fn requests_are_made_of_what_people_have() {
    let preset: Preset = serde_json::from_str(r#"{"enhancement_type":"sky"}"#).unwrap();
    let text = "sky".to_owned();
    let expected = CopilotRequest {
        instruction: "sky".to_owned(),
        parent_version_id: None,
    };
    for request in [
        CopilotRequest::from("sky"),
        CopilotRequest::from(&text),
        CopilotRequest::from(text.clone()),
    ] {
        assert_eq!(request, expected);
    }
    let expected = EnhanceRequest {
        tool_id: "sky".to_owned(),
        parent_version_id: None,
    };
    for request in [
        EnhanceRequest::from("sky"),
        EnhanceRequest::from(&text),
        EnhanceRequest::from(text.clone()),
        EnhanceRequest::from(&preset),
        EnhanceRequest::from(preset.clone()),
    ] {
        assert_eq!(request, expected);
    }
}

#[test]
fn a_reset_names_the_kind_in_its_body() {
    for (kind, source) in KINDS {
        let mut wire = Wire::new();
        let body = format!(r#"{{"project_source":"{source}"}}"#);
        let sent = expect(
            &mut wire,
            "DELETE /v1/projects/p/images/a.jpg/copilot",
            &body,
            OK,
        );

        let image = wire.client().project_of(kind, "p").image("a.jpg");
        image.reset().unwrap();

        sent.assert();
    }
}

#[test]
fn presets_and_history_are_one_call_that_names_the_kind_in_its_query() {
    for (kind, source) in KINDS {
        let mut wire = Wire::new();
        let line = format!("GET /v1/projects/p/ai-tools?project_source={source}");
        let sent = expect(&mut wire, &line, "", OK).expect(2);
        let project = wire.client().project_of(kind, "p");

        project.presets().unwrap();
        project.history().unwrap();

        sent.assert();
    }
}

#[test]
fn finalize_names_the_kind_in_its_body() {
    for (kind, source) in KINDS {
        let mut wire = Wire::new();
        let body = format!(r#"{{"project_source":"{source}"}}"#);
        let sent = expect(&mut wire, "POST /v1/projects/p/finalize", &body, OK);

        let links = wire.client().project_of(kind, "p").finalize().unwrap();

        sent.assert();
        assert_eq!(links.len(), 1);
    }
}

#[test]
fn a_project_is_asked_for_without_its_thumbnail() {
    for (kind, path) in [
        (ProjectKind::ProfileBased, "projects/p"),
        (ProjectKind::Smart, "i2i/projects/p"),
    ] {
        let mut wire = Wire::new();
        let line = format!("GET /v1/{path}?get_thumbnail=false");
        let sent = expect(&mut wire, &line, "", OK);

        wire.client().project_of(kind, "p").info().unwrap();

        sent.assert();
    }
}

#[test]
fn each_kind_of_file_has_a_path_of_its_own() {
    for (kind, output, path) in [
        (ProjectKind::ProfileBased, Output::Jpeg, "projects/p/export"),
        (ProjectKind::ProfileBased, Output::Xmp, "projects/p/edit"),
        (ProjectKind::Smart, Output::Jpeg, "i2i/projects/p"),
    ] {
        let mut wire = Wire::new();
        let line = format!("GET /v1/{path}/get_temporary_download_links");
        let sent = expect(&mut wire, &line, "", OK);

        let project = wire.client().project_of(kind, "p");
        project.download_links(output).unwrap();

        sent.assert();
    }
}

#[test]
fn smart_editing_has_no_xmp_files() {
    let mut wire = Wire::new();
    let nothing = wire.hears_nothing();

    let project = wire.client().smart_project("p");
    refused(project.download_links(Output::Xmp), "output");

    assert_all(&nothing);
}

#[test]
fn a_project_is_made_with_a_name_or_without() {
    let mut wire = Wire::new();
    let named = expect(
        &mut wire,
        "POST /v1/projects/",
        r#"{"name":"Smith wedding"}"#,
        OK,
    );
    let nameless = expect(&mut wire, "POST /v1/i2i/projects/", "{}", OK);
    let client = wire.client();

    client.create_project("Smith wedding").unwrap();
    client.create_project_of(ProjectKind::Smart, None).unwrap();

    named.assert();
    nameless.assert();
}

#[test]
fn a_project_is_found_by_a_name_with_a_slash() {
    let mut wire = Wire::new();
    let sent = expect(&mut wire, "GET /v1/projects/a%2Fb/uuid", "", OK);

    wire.client().find_project("a/b").unwrap();

    sent.assert();
}

#[test]
fn an_image_whose_name_needs_it_is_encoded() {
    let mut wire = Wire::new();
    let sent = expect(
        &mut wire,
        "DELETE /v1/projects/p/images/a%20b%231%2F%C3%BC.jpg/copilot",
        r#"{"project_source":"REGULAR"}"#,
        "",
    );

    project(&wire).image("a b#1/ü.jpg").reset().unwrap();

    sent.assert();
}

// What is not sent.

#[test]
fn what_is_no_file_name_is_refused_before_anything_is_sent() {
    let mut wire = Wire::new();
    let nothing = wire.hears_nothing();
    for name in ["", "..", "a\r\nx-evil: 1"] {
        let image = project(&wire).image(name);
        refused(image.copilot("x"), "file_name");
        refused(image.enhance("x"), "file_name");
        refused(image.reset(), "file_name");
        refused(image.history(), "file_name");
    }
    assert_all(&nothing);
}

#[test]
fn what_is_no_project_id_is_refused_before_anything_is_sent() {
    let mut wire = Wire::new();
    let nothing = wire.hears_nothing();
    let client = wire.client();
    for name in ["", "..", "a\r\nx-evil: 1"] {
        refused(client.find_project(name), "name");
        for project in [client.project(name), client.smart_project(name)] {
            refused(project.image("a.jpg").copilot("x"), "project_uuid");
            refused(project.presets(), "project_uuid");
            refused(project.finalize(), "project_uuid");
            refused(project.info(), "project_uuid");
            refused(project.images(), "project_uuid");
        }
    }
    assert!(refused(client.project("").info(), "project_uuid").contains(": the id is empty"));
    assert_all(&nothing);
}

#[test]
fn an_instruction_has_1_to_255_code_points() {
    let wire = Wire::answering(200, PUBLISHED);
    let spaced = format!(" {} ", "x".repeat(253));
    for good in ["x", &"🏠".repeat(255), &spaced] {
        image(&wire).copilot(good).unwrap();
    }
}

#[test]
fn another_instruction_is_not_sent() {
    let mut wire = Wire::new();
    let nothing = wire.hears_nothing();
    for bad in [
        "",
        " \t\n\u{a0}\u{3000}",
        &"x".repeat(256),
        &"e\u{301}".repeat(128),
    ] {
        let text = refused(image(&wire).copilot(bad), "instruction");
        assert!(text.contains("255"), "{text}");
    }
    assert_all(&nothing);
}

#[test]
fn a_preset_without_a_name_is_not_sent() {
    let mut wire = Wire::new();
    let nothing = wire.hears_nothing();
    for bad in ["", " \t"] {
        refused(image(&wire).enhance(bad), "tool_id");
    }
    assert_all(&nothing);
}

// What is made of the answers.

#[test]
fn an_edit_with_a_link_is_a_success_whatever_its_status() {
    let other = |status: &str| EnhancementStatus::Other(status.to_owned());
    for (status, read) in [
        (r#""PARTIAL""#, other("PARTIAL")),
        (r#""success""#, EnhancementStatus::Success),
        ("null", other("")),
        ("7", other("")),
    ] {
        let answer =
            format!(r#"{{"status":{status},"version_id":1,"enhanced_image_url":"https://s3/a"}}"#);
        assert_eq!(edit(&answer).unwrap().status, read);
    }
}

#[test]
fn an_edit_without_a_version_is_a_success_that_cannot_be_built_on() {
    for version in [
        "",
        r#""version_id":null,"#,
        r#""version_id":{},"#,
        r#""version_id":"","#,
    ] {
        let answer = format!(r#"{{{version}"enhanced_image_url":"https://s3/a"}}"#);
        let edit = edit(&answer).unwrap();
        assert_eq!(edit.version_id, None, "{version}");
        refused(edit.version(), "version_id");
    }
}

#[test]
fn a_version_of_an_edit_keeps_every_digit() {
    for version in ["9007199254740993", "123456789012345678901234567890", "1.50"] {
        let answer = format!(r#"{{"version_id":{version},"enhanced_image_url":"https://s3/a"}}"#);
        assert_eq!(edit(&answer).unwrap().version_id, Some(id(version)));
    }
}

#[test]
fn an_edit_that_the_answer_says_failed_has_failed() {
    for answer in [
        r#"{"status":"FAILED","version_id":5,"enhanced_image_url":"https://s3/a"}"#,
        r#"{"status":"failure","version_id":5,"enhanced_image_url":"https://s3/a"}"#,
        r#"{"status":"Error","version_id":5,"message":"model overloaded"}"#,
        r#"{"version_id":5,"error":"model overloaded"}"#,
    ] {
        let Err(Error::EnhancementFailed(failed)) = edit(answer) else {
            panic!("{answer}");
        };
        assert_eq!(failed.context.status, Some(200));
        assert_eq!(failed.version_id, Some(VersionId::from(5)));
        if answer.contains("overloaded") {
            assert_eq!(failed.message, "model overloaded");
        }
    }
}

#[test]
fn an_empty_error_beside_a_success_is_none() {
    for error in ["null", r#""""#, r#"" ""#, "false", "{}", "[]"] {
        let link = r#""version_id":5,"enhanced_image_url":"https://s3/a""#;
        let answer = format!(r#"{{"status":"SUCCESS",{link},"error":{error}}}"#);
        assert_eq!(edit(&answer).unwrap().version_id, Some(VersionId::from(5)));

        let wire = Wire::answering(200, format!(r#"{{"prompts":[],"error":{error}}}"#));
        assert_eq!(project(&wire).presets().unwrap(), []);
        project(&wire).image("a.jpg").reset().unwrap();
    }
}

#[test]
fn an_error_of_any_other_kind_beside_a_success_is_one() {
    for error in ["true", "7", r#"["no"]"#, r#"{"code":7}"#] {
        let answer = format!(r#"{{"enhanced_image_url":"https://s3/a","error":{error}}}"#);
        let failed = edit(&answer).unwrap_err();
        assert!(matches!(failed, Error::EnhancementFailed(_)), "{failed}");
    }
}

#[test]
fn of_an_edit_without_a_link_nothing_is_known() {
    for url in ["null", r#""  ""#, "17"] {
        let answer = format!(r#"{{"version_id":5,"enhanced_image_url":{url}}}"#);
        let error = edit(&answer).unwrap_err();
        assert!(matches!(&error, Error::OutcomeUnknown(_)), "{error}");
        let text = error.to_string();
        assert!(text.contains("look at Image::history()"), "{text}");
    }
}

/// The page promises no body to finalize.
#[test]
fn finalize_asks_for_the_links_that_it_did_not_get() {
    for (status, nothing) in [(204, ""), (200, "{}"), (200, r#"{"files_list":[]}"#)] {
        let mut wire = Wire::new();
        let path = "/v1/projects/p/finalize";
        wire.answers("POST", path, status, nothing).create();
        let asked = expect(
            &mut wire,
            "GET /v1/projects/p/export/get_temporary_download_links",
            "",
            OK,
        );

        assert_eq!(project(&wire).finalize().unwrap().len(), 1);

        asked.assert();
    }
}

#[test]
fn a_success_that_says_that_it_failed_is_an_error_of_every_call() {
    for (answer, words) in [
        (
            r#"{"status":"FAILED","message":"the farm is down"}"#,
            "the farm is down",
        ),
        (r#"{"error":{"message":"internal"}}"#, "internal"),
        (r#"{"data":{"error":{"message":"internal"}}}"#, "internal"),
    ] {
        let wire = Wire::answering(200, answer);
        let project = project(&wire);
        for result in [
            project.finalize().map(drop),
            project.download_links(Output::Jpeg).map(drop),
            project.images().map(drop),
            project.presets().map(drop),
            project.image("a.jpg").reset(),
            wire.client()
                .create_project_of(ProjectKind::ProfileBased, None)
                .map(drop),
        ] {
            let error = api(result);
            assert_eq!((error.kind, error.status), (ApiErrorKind::Failed, 200));
            assert_eq!(error.message, words);
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}

#[test]
fn a_status_that_is_not_the_calls_own_is_no_failure_of_the_call() {
    let wire = Wire::answering(200, r#"{"status":"FAILED"}"#);
    let info = project(&wire).info().unwrap();
    assert_eq!(info.status, ProjectStatus::Failed);

    let wire = Wire::answering(200, r#"{"error":{"message":"internal"}}"#);
    assert_eq!(api(project(&wire).info()).kind, ApiErrorKind::Failed);
}

#[test]
fn an_answer_without_the_list_that_was_asked_for_is_not_empty() {
    let wire = Wire::answering(200, r#"{"files":[]}"#);
    let error = project(&wire).images().unwrap_err();
    assert!(matches!(error, Error::Decode(_)), "{error}");
}

#[test]
fn one_unreadable_file_does_not_lose_the_others() {
    let answer = r#"{"files_list":[{"file_name":"caf\udce9.jpg","download_link":"https://s3/1"},
        {"file_name":"b.jpg","download_link":null},{"file_name":"c.jpg","download_link":"https://s3/3"},
        null,7,{"file_name":7,"download_link":" "}]}"#;
    let expected = [
        DownloadLink::new("caf\u{fffd}.jpg", "https://s3/1"),
        serde_json::from_str(r#"{"file_name":"b.jpg"}"#).unwrap(),
        DownloadLink::new("c.jpg", "https://s3/3"),
        DownloadLink::default(),
        DownloadLink::default(),
        DownloadLink::default(),
    ];
    let wire = Wire::answering(200, answer);

    assert_eq!(
        project(&wire).download_links(Output::Jpeg).unwrap(),
        expected
    );
    assert_eq!(project(&wire).finalize().unwrap(), expected);
}

#[test]
fn presets_are_read_as_far_as_they_can_be() {
    let wire = Wire::answering(
        200,
        r#"{"prompts":[{"enhancement_type":"day_to_dusk","label":null}, {"unheard_of":1},
        {"enhancement_type":"virtual_staging","label":"Staging","enabled_for_batch":true,"icon":"sofa"},
        {"enhancement_type":"sky","label":7,"enabled_for_batch":"yes"}], "a.jpg":[]}"#,
    );

    let presets = project(&wire).presets().unwrap();

    let read: Vec<_> = presets
        .iter()
        .map(|preset| {
            let label = preset.label.as_deref();
            (preset.tool_id.as_str(), label, preset.enabled_for_batch)
        })
        .collect();
    assert_eq!(
        read,
        [
            ("day_to_dusk", None, None),
            ("virtual_staging", Some("Staging"), Some(true)),
            ("sky", None, None),
        ]
    );
}

/// The page's own answer has none, and its shape is not published.
#[test]
fn an_answer_without_presets_has_none() {
    for answer in [
        r#"{"DSC_0001.JPEG":[{"version_id":1}]}"#,
        r#"{"prompts":"none"}"#,
        "[]",
    ] {
        let wire = Wire::answering(200, answer);
        assert_eq!(project(&wire).presets().unwrap(), [], "{answer}");
    }
}

#[test]
fn a_project_is_read_as_far_as_it_can_be() {
    let wire = Wire::answering(
        200,
        r#"{"name":"Villa","status":"IN_PROGRESS","created_at":7,"number_of_images":24,"theme":"dark"}"#,
    );

    let info = project(&wire).info().unwrap();

    assert_eq!(info.status, ProjectStatus::InProgress);
    assert_eq!(info.name.as_deref(), Some("Villa"));
    assert_eq!(info.number_of_images, Some(24));
    assert_eq!(info.created_at, None);
}

#[test]
fn a_status_of_no_kind_of_its_own_says_to_mend_the_request() {
    for status in [405, 409, 413, 415, 422] {
        let wire = Wire::answering(status, "");
        let error = api(image(&wire).reset());
        assert_eq!(error.kind, ApiErrorKind::InvalidRequest);
    }
}

#[test]
fn a_project_that_is_not_found_may_be_of_the_other_kind() {
    let error = api(project(&Wire::answering(404, "")).info()).to_string();
    assert!(error.contains("told apart by the handle"), "{error}");
}

#[test]
fn the_kind_of_an_error_is_told_before_its_text_is_redacted() {
    let refusal = r#"{"detail":"Only realistic editing requests are supported."}"#;
    let server = Script::of([Turn::status(400).body(refusal)]);
    let client = Client::builder("realistic").base_url(server.url());
    let image = client.build().unwrap().project("p").image("a.jpg");

    let error = api(image.copilot("realistic"));

    assert_eq!(error.kind, ApiErrorKind::RealisticOnly);
}

#[test]
fn a_message_says_what_was_tried_what_came_back_and_the_request_id() {
    for header in [
        "x-request-id",
        "x-amzn-requestid",
        "x-amz-request-id",
        "x-amz-apigw-id",
        "cf-ray",
    ] {
        let mut wire = Wire::new();
        let path = "/v1/projects/p/images/a%20b.jpg/copilot";
        let refusal = r#"{"error":{"message":"Project has not been exported yet."}}"#;
        let mock = wire.answers("POST", path, 400, refusal);
        mock.with_header(header, "4f1c-77").create();

        let error = project(&wire).image("a b.jpg").copilot("x").unwrap_err();

        let summary = "400 Project has not been exported yet.";
        let sentence =
            format!("POST /projects/p/images/a%20b.jpg/copilot: {summary} (request 4f1c-77)");
        assert_eq!(error.summary(), summary);
        assert_eq!(error.to_string(), sentence);
        assert_eq!(format!("{error:?}"), sentence);
        let structure = format!("{error:#?}");
        assert!(structure.starts_with("Api(\n    ApiError {"), "{structure}");
        assert_eq!(error.status(), Some(400));
        assert_eq!(error.request_id(), Some("4f1c-77"));
    }
}

// Handles and requests.

#[allow(
    clippy::mutable_key_type,
    reason = "a client has a clock in it, which no hash looks at"
)]
#[test]
fn handles_are_equal_by_what_they_name() {
    let client = |key, base_url| Client::builder(key).base_url(base_url).build().unwrap();
    let here = client(KEY, "http://localhost:1/v1");
    let same = client("other", "http://localhost:1/v1/");
    let elsewhere = client(KEY, "http://localhost:2/v1");

    let images = HashSet::from([
        here.project("p").image("a"),
        same.project("p").image("a"),
        here.project("p").image("b"),
        here.project("q").image("a"),
        here.smart_project("p").image("a"),
        elsewhere.project("p").image("a"),
    ]);
    assert_eq!(images.len(), 5);

    let projects: HashSet<_> = images.iter().map(|image| image.project().clone()).collect();
    assert_eq!(projects.len(), 4);
}

#[test]
fn requests_survive_json() {
    let json = r#"{"instruction":"x","parent_version_id":9007199254740993}"#;
    let request: CopilotRequest = serde_json::from_str(json).unwrap();
    let expected = CopilotRequest::new("x").parent(9_007_199_254_740_993_u64);
    assert_eq!(request, expected);
    assert_eq!(serde_json::to_string(&request).unwrap(), json);

    let preset: EnhanceRequest = serde_json::from_str(r#"{"tool_id":"x"}"#).unwrap();
    assert_eq!(preset, EnhanceRequest::new("x"));
}
